"""Programs that the supervisor starts end with it, even if it went before they had loaded."""

import os
import signal
import subprocess
import sys

import pytest

from tests.server import ROOT, free_port, installation
from upstream import parent


@pytest.mark.parametrize("program", ["workers", "web"])
def test_a_program_whose_starter_has_gone_meanwhile_ends_by_itself(program):
    with installation() as server:
        options = ["default"] if program == "workers" else ["--port", str(free_port())]
        command = [sys.executable, "-m", f"emma18_site.{program}", *options]
        gone = subprocess.Popen(["true"])
        gone.wait()

        left = subprocess.run(
            command,
            cwd=ROOT,
            env=server.environment | {parent.VARIABLE: str(gone.pid)},
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            timeout=30,
            check=False,
        )

    assert left.returncode is not None and parent.VARIABLE not in os.environ


FORKS_AND_DIES = """
import os, signal, time
os.register_at_fork(after_in_parent=lambda: os.kill(os.getpid(), signal.SIGKILL))
os.register_at_fork(after_in_child=lambda: time.sleep(0.3))
from emma18_site import workers
workers.main("default")
"""


def test_what_was_forked_by_a_program_killed_at_once_ends_by_itself():
    with installation() as server:
        command = [sys.executable, "-c", FORKS_AND_DIES]
        with subprocess.Popen(command, cwd=ROOT, env=server.environment, stdout=subprocess.PIPE) as killed:
            written, _ = killed.communicate(timeout=30)  # until all who could have written are gone

    assert written == b""
    assert killed.returncode == -signal.SIGKILL
