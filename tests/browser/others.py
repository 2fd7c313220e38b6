"""OpenAI-compatible servers that others wrote, each run as its own documents say and asked as any provider is.

llama.cpp comes with EMMA18. The others are installed, pinned, below the folder that EMMA18_TEST_INTEROP names.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx

from tests import install
from tests.bench.contender import end
from tests.bench.peers import LITELLM
from tests.server import ROOT, free_port
from upstream.embedded import runtime

FAKELLM = "0.3.5"
AIMOCK = "1.43.0"
START_WITHIN_S = 90
KEY = "sk-interop-0123456789abcdef"
REPLY = "Hello back, in a sentence that is long enough for several chunks."


@dataclass(frozen=True, slots=True)
class Other:
    """A running server. `reply` is what it says to a hello, "" where a real model decides; `models_by_hand` what a
    person enters who connects it; `counts_streams` whether its streams end with the usage that was asked for."""

    base_url: str
    key: str
    model: str
    reply: str = REPLY
    models_by_hand: str = ""
    counts_streams: bool = True


@contextmanager
def llama_cpp(into: Path, scratch: Path) -> Iterator[Other]:
    file = scratch / "runtime.json"
    command = [sys.executable, "-m", "upstream.embedded", "--runtime-file", str(file)]
    with _running(command, scratch, {"PYTHONPATH": str(ROOT)}, is_up=file.exists):
        found = runtime.read(file)
        assert found is not None
        yield Other(found.base_url, found.token, found.model, reply="")


@contextmanager
def fakellm(into: Path, scratch: Path) -> Iterator[Other]:
    """Has no list of models and sends no usage in streams."""
    folder = install.installed(
        "fakellm", into / "fakellm", FAKELLM, partial(install.from_pypi, requirement=f"fakellm=={FAKELLM}")
    )
    rule = {"name": "hello", "when": {"messages_contain": "hello"}, "respond": {"content": REPLY}}
    (scratch / "fakellm.yaml").write_text(json.dumps({"version": 1, "rules": [rule]}))  # JSON is YAML
    port = free_port()
    # By its Python, as a script's first line may be too long for the kernel in a deep folder.
    command = [str(folder / "bin" / "python"), str(folder / "bin" / "fakellm"), "serve", "--port", str(port)]
    with _running(command, scratch, is_up=partial(_answers, f"http://127.0.0.1:{port}/_fakellm/stats")):
        yield Other(
            f"http://127.0.0.1:{port}/v1", "", "gpt-4o-mini", models_by_hand="gpt-4o-mini", counts_streams=False
        )


@contextmanager
def aimock(into: Path, scratch: Path) -> Iterator[Other]:
    folder = install.installed(
        "aimock", into / "aimock", AIMOCK, partial(install.from_npm, wanted={"@copilotkit/aimock": AIMOCK})
    )
    (scratch / "hello.json").write_text(
        json.dumps({"fixtures": [{"match": {"userMessage": "hello"}, "response": {"content": REPLY}}]})
    )
    port = free_port()
    entry = folder / "node_modules" / "@copilotkit" / "aimock" / "dist" / "cli.js"
    command = ["node", str(entry), "--port", str(port), "--fixtures", str(scratch / "hello.json")]
    models = f"http://127.0.0.1:{port}/v1/models"
    with _running(command, scratch, {"AIMOCK_API_KEYS": KEY}, is_up=partial(_answers, models)):
        yield Other(f"http://127.0.0.1:{port}/v1", KEY, "gpt-4o")


@contextmanager
def litellm(into: Path, scratch: Path) -> Iterator[Other]:
    """Its proxy with its mock response: no model is behind it."""
    folder = install.installed(
        "LiteLLM", into / "litellm", LITELLM, partial(install.from_pypi, requirement=f"litellm[proxy]=={LITELLM}")
    )
    served = {"model": "openai/mocked", "api_key": "none", "mock_response": REPLY}
    config = {
        "model_list": [{"model_name": "mocked", "litellm_params": served}],
        "general_settings": {"master_key": KEY},
    }
    (scratch / "litellm.yaml").write_text(json.dumps(config))
    port = free_port()
    command = [str(folder / "bin" / "python"), str(folder / "bin" / "litellm"), "--config", "litellm.yaml"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--telemetry", "False"]
    # Its list of prices comes with it; without this it would be fetched from the internet.
    environment = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MODE": "PRODUCTION"}
    models = f"http://127.0.0.1:{port}/v1/models"
    with _running(command, scratch, environment, is_up=partial(_answers, models)):
        yield Other(f"http://127.0.0.1:{port}/v1", KEY, "mocked")


@contextmanager
def _running(
    command: list[str], scratch: Path, more: dict[str, str] | None = None, *, is_up: Callable[[], bool]
) -> Iterator[None]:
    # Nothing of this installation's settings or of the person's environment is told to somebody else's program.
    environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(scratch), **(more or {})}
    log = scratch / "server.log"
    with log.open("wb") as written:
        process = subprocess.Popen(
            command, env=environment, cwd=scratch, stdout=written, stderr=written, start_new_session=True
        )
    try:
        deadline = time.monotonic() + START_WITHIN_S
        while not is_up():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[1]} did not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)
        yield
    finally:
        end(process)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, headers={"authorization": f"Bearer {KEY}"}, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
