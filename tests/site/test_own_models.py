"""Files of one's own in the folder of models: what each becomes, and what it cannot break."""

import os
import re
from pathlib import Path

import httpx
import pytest

from accounts import vault
from accounts.refusals import ProviderUnavailable
from catalog import offers, sync
from tests.site.test_up import _up
from upstream.embedded import model, own

GGUF = b"GGUF\x03\x00\x00\x00"


@pytest.fixture
def folder(settings, tmp_path: Path) -> Path:
    settings.MODELS_DIR = tmp_path / "models"
    settings.MODELS_DIR.mkdir()
    return settings.MODELS_DIR


def test_each_file_is_a_model_by_its_name_and_the_rest_gets_a_sentence(folder):
    for name, content in {
        "tiny.Q4_0.gguf": GGUF,
        "big-00001-of-00002.gguf": GGUF,
        "big-00002-of-00002.gguf": GGUF,
        "a page.gguf": GGUF,
        "page.gguf": b"<!doctype html>",
        "old.gguf": b"GGUF\x01\x00\x00\x00",
        "empty.gguf": b"",
        "notes.txt": b"GGUF",
        ".hidden": b"",
    }.items():
        (folder / name).write_bytes(content)
    (folder / "gone.gguf").symlink_to(folder / "nowhere")

    found = own.found(folder)

    assert list(found.files) == ["embedded/big-00001-of-00002.gguf", "embedded/tiny.Q4_0.gguf"]
    assert {Path(problem.partition(" is no model")[0]).name: problem for problem in found.problems}.keys() == {
        *("a page.gguf", "page.gguf", "old.gguf", "empty.gguf", "notes.txt", "gone.gguf")
    }
    assert own.found(folder / "nowhere").files == {}


def test_teams_are_offered_what_is_there_at_the_start(folder, alice, charlie):
    file = folder / "tiny.gguf"
    file.write_bytes(GGUF)
    sync.offer_own_models()

    assert [offer.model.model_id for offer in offers.first_offers(charlie.team)][-1] == "embedded/tiny.gguf"
    [candidate] = offers.candidates(alice, "embedded/tiny.gguf")
    assert (candidate.price.prompt_picousd, candidate.offer.upstream_id) == (0, "embedded/tiny.gguf")
    with pytest.raises(ProviderUnavailable, match="is not running: its file is still being loaded"):
        vault.endpoint(candidate.offer.provider, "embedded/tiny.gguf")

    file.unlink()
    sync.offer_own_models()
    assert offers.callable_ids(alice.team) == [model.MODEL_ID]


@pytest.mark.embedded
@pytest.mark.xdist_group("up")
def test_a_file_of_ones_own_chats_beside_one_that_cannot_be_loaded(tmp_path: Path):
    """Through the front door: a first start, a key, and a reply of the model that the file is."""
    models = tmp_path / "data" / "models"
    models.mkdir(parents=True)
    os.symlink(model.weights(), models / "mine.gguf")
    (models / "broken.gguf").write_bytes(GGUF + bytes(2000))
    (models / "page.gguf").write_bytes(b"<!doctype html>")

    with _up(tmp_path / "data") as up:
        assert "it does not begin as a GGUF file does" in up.hears("page.gguf is no model")
        up.hears("EMMA18 is running at")
        up.hears("embedded/mine.gguf is ready.")
        up.hears("broken.gguf cannot be loaded")
        with httpx.Client(base_url=f"http://127.0.0.1:{up.port}", timeout=60, follow_redirects=True) as browser:
            key = _key_of_a_first_owner(browser)
            headers = {"authorization": f"Bearer {key}"}
            listed = [each["id"] for each in browser.get("/api/v1/models", headers=headers).json()["data"]]
            asked = {
                "messages": [{"role": "user", "content": "What is the capital of France?"}],
                "temperature": 0,
                "max_tokens": 12,
            }
            reply = browser.post(
                "/api/v1/chat/completions", json={**asked, "model": "embedded/mine.gguf"}, headers=headers
            )
            refused = browser.post(
                "/api/v1/chat/completions", json={**asked, "model": "embedded/broken.gguf"}, headers=headers
            )

    assert {"embedded/mine.gguf", model.MODEL_ID} <= set(listed)
    assert reply.status_code == 200, reply.text
    assert reply.json()["choices"][0]["message"]["content"]
    assert reply.json()["model"] == "embedded/mine.gguf"
    assert refused.status_code == 502 and "embedded/broken.gguf is not running" in refused.text


def _key_of_a_first_owner(browser: httpx.Client) -> str:
    asked = {"name": "alice", "email": "alice@example.org", "password": "a long enough password", "team_name": "North"}
    browser.post("/", data=asked | {"csrfmiddlewaretoken": _token(browser.get("/").text)})
    page = browser.get("/keys/").text
    made = browser.post("/keys/create/", data={"name": "laptop", "csrfmiddlewaretoken": _token(page)}).text
    return re.findall(r"sk-[A-Za-z0-9_-]{20,}", made)[0]


def _token(page: str) -> str:
    return re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)[0]
