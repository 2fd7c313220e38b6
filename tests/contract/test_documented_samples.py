"""The samples in docs/api.md, run as they stand with only address and key changed."""

import json
import re
import subprocess
import sys

import pytest

from accounts import refusals
from tests.provider import REPLY
from tests.server import ROOT

PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


def samples(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def filled_in(sample: str, api) -> str:
    assert "http://127.0.0.1:8018/api/v1" in sample and "sk-your_api_key" in sample
    return sample.replace("http://127.0.0.1:8018/api/v1", api.base_url).replace("sk-your_api_key", api.key)


def output_of(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


@pytest.mark.parametrize("sample", samples("python"), ids=["plain", "streamed"])
def test_python(api, sample):
    assert output_of(sys.executable, "-c", filled_in(sample, api)).strip() == REPLY


def answer_to(path: str, api, **words: str) -> dict:
    """What the documented curl of that address gets, with these words of it replaced."""
    [sample] = [sample for sample in samples("bash") if f"/api/v1{path}" in sample]
    for word, replacement in words.items():
        sample = sample.replace(word, replacement)
    return json.loads(output_of("bash", "-c", filled_in(sample, api)))


def test_curl(api):
    chat, models = answer_to("/chat/completions", api), answer_to("/models ", api)

    assert chat["choices"][0]["message"]["content"] == REPLY
    assert "deepseek/deepseek-chat" in [model["id"] for model in models["data"]]


def test_curl_of_a_video_makes_a_task(api):
    assert answer_to("/video/seedance/tasks", api)["status"] == "queued"


def test_curl_of_a_receipt_gets_what_the_example_shows(api, http):
    example = next(example for example in map(json.loads, samples("json")) if example.get("object") == "generation")
    asked = {"model": "deepseek/deepseek-chat", "messages": [{"role": "user", "content": "Hello!"}]}
    request_id = http.post("/chat/completions", json=asked).headers["x-request-id"]

    receipt = answer_to("/generations/", api, **{example["id"]: request_id})

    assert receipt["id"] == request_id
    assert receipt.keys() == example.keys()
    for part in ("access_key", "usage", "cost", "price"):
        assert receipt[part].keys() == example[part].keys()


def test_curl_of_a_key_gets_what_the_example_shows(api):
    example = next(each for each in map(json.loads, samples("json")) if "allowed_models" in each.get("data", {}))

    told = answer_to("/key ", api)["data"]

    assert told.keys() == example["data"].keys()
    assert told["pace"].keys() == example["data"]["pace"].keys()
    assert told["credits"].keys() == example["data"]["credits"].keys()


def test_curl_of_credits_gets_what_the_example_shows(api):
    example = next(each for each in map(json.loads, samples("json")) if "total_credits" in each.get("data", {}))

    assert answer_to("/credits ", api)["data"].keys() == example["data"].keys()


def test_the_example_of_a_list_has_the_keys_of_the_real_one(http):
    example = next(example for example in map(json.loads, samples("json")) if example.get("object") == "list")

    real = http.get("/models").json()
    assert example.keys() == real.keys()
    assert example["data"][0].keys() == real["data"][0].keys()


def test_every_code_of_ours_is_documented():
    kinds = [refusals.Refusal]
    for kind in kinds:
        kinds += kind.__subclasses__()

    undocumented = {kind.code for kind in kinds if f"`{kind.code}`" not in PAGE}
    assert undocumented <= {"conflict"}  # said by pages only
