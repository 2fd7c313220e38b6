"""The page after founding: what can be done at once, and by whom."""

import os
from pathlib import Path

import pytest

from tests.conftest import signed_in
from upstream.embedded import runtime


@pytest.fixture
def built_in_model(settings, tmp_path) -> Path:
    """The file the built-in provider leaves while it runs."""
    settings.EMBEDDED_RUNTIME_FILE = tmp_path / "embedded.json"
    running = runtime.Runtime(
        base_url="http://127.0.0.1:9/v1", token="t" * 32, pid=os.getpid(), model="embedded/smollm2"
    )
    runtime.write(settings.EMBEDDED_RUNTIME_FILE, running)
    return settings.EMBEDDED_RUNTIME_FILE


def test_owner_may_connect_a_provider_at_once(alice):
    page = signed_in(alice).get("/welcome/")

    assert page.context["may_manage"]
    assert page.context["form"]["base_url"].initial == "https://emma18.com/api/v1"


@pytest.mark.parametrize("who", ["bob", "vera"])
def test_others_are_given_no_form_to_connect(request, who):
    page = signed_in(request.getfixturevalue(who)).get("/welcome/")

    assert page.status_code == 200
    assert page.context["form"] is None
    assert 'name="api_key"' not in page.text


def test_built_in_model_is_offered_while_it_runs(alice, built_in_model):
    page = signed_in(alice).get("/welcome/")

    assert page.context["embedded"] == {"is_running": True, "model_id": "embedded/smollm2-135m-instruct"}


def test_built_in_model_is_not_promised_while_it_does_not_run(alice, built_in_model):
    built_in_model.unlink()

    assert not signed_in(alice).get("/welcome/").context["embedded"]["is_running"]


def test_samples_carry_the_address_the_reader_came_by(alice):
    page = signed_in(alice).get("/welcome/", headers={"host": "localhost:8018"})

    assert page.context["base_url"] == "http://localhost:8018/api/v1"
