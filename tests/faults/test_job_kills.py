"""Background workers that are killed: the queue works again soon, and no job is lost."""

import json
import os
import shutil
import subprocess

import pytest

from tests.server import RunningServer, free_port, installation

# More kills for those who want to be surer than a minute of CI makes them.
THOROUGHNESS = int(os.environ.get("EMMA18_TEST_THOROUGHNESS", "1"))
BACK_WITHIN_S = 15

pytestmark = pytest.mark.xdist_group("up")  # they count seconds: not beside each other


@pytest.fixture
def server():
    with installation() as server:
        yield server


def test_whatever_process_of_a_cluster_is_killed_its_queue_works_again_within_15_s(server: RunningServer):
    kills = 10 * THOROUGHNESS

    told = json.loads(server.run_module("tests.faults.killed_jobs", "kills", str(kills)))

    assert [(kind, seconds) for kind, seconds in told["recovered"] if seconds > BACK_WITHIN_S] == []
    assert len(told["recovered"]) == kills
    assert told["begun"] == 5 * THOROUGHNESS  # three whose worker was killed in each round, and two that hung
    assert told["done"] == 1 + kills + told["begun"]
    assert told["leftover"] == 0


def test_a_job_that_ends_its_worker_each_time_is_given_up(server: RunningServer):
    told = json.loads(server.run_module("tests.faults.killed_jobs", "fatal"))

    assert told == {"begun": 5, "leftover": 0}


@pytest.mark.skipif(not shutil.which("redis-server"), reason="no redis-server is installed")
def test_queue_may_be_kept_in_redis(tmp_path):
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as redis:
        try:
            with installation(EMMA18_REDIS_URL=f"redis://127.0.0.1:{port}/0") as server:
                told = json.loads(server.run_module("tests.faults.killed_jobs", "kills", "1"))
        finally:
            redis.terminate()

    assert [kind for kind, _ in told["recovered"]] == ["idle"]
