"""Tasks on their way at a provider that tells the truth: sent once, followed to their end, charged by what was made."""

import json
from datetime import timedelta

import pytest

from accounts.models import Receipt, Wallet
from tests.conftest import signed_in
from tests.contract.shape import assert_refused
from tests.video_provider import KEY
from tests.videos.conftest import T2V, let_pass, the_only_task
from videos import offers
from videos.models import VideoTask


def test_a_task_is_sent_once_and_charged_for_the_tokens_it_used(program, connected, provider, team):
    public_id = program.create({**T2V, "ratio": "16:9", "seed": 7}).json()["id"]
    let_pass()
    provider.make("running")
    let_pass()
    assert program.get(public_id).json()["status"] == "running"
    provider.make()
    let_pass()

    shown = program.get(public_id).json()
    assert (shown["status"], shown["usage"]["completion_tokens"], shown["seed"]) == ("succeeded", 108_000, 78674)
    assert shown["cost"] == {"currency": "USD", "estimated": "0.756", "held": "0.00", "charged": "0.756"}
    assert "sig=" in shown["content"]["video_url"]
    assert Wallet.objects.get(team=team).held_nanousd == 0
    assert [method for method, _ in provider.calls].count("POST") == 1
    receipt = Receipt.objects.get(request_id=shown["request_id"])
    assert (receipt.outcome, receipt.tokens_out, receipt.provider_name) == ("done", 108_000, "Ark")


def test_ark_is_asked_in_its_own_words(program, connected, provider):
    program.create(
        {"prompt": "A fox", "image_url": "https://example.com/a.jpg", "last_image_url": "https://example.com/b.jpg"}
    )
    let_pass()

    sent = provider.only.body
    assert [item.get("role") for item in sent["content"]] == [None, "first_frame", "last_frame"]
    assert "mode" not in sent and sent["duration"] == 5
    assert 172_800 <= sent["execution_expires_after"] < 172_800 + 86_400


def test_another_emma18_is_asked_as_its_documents_say_and_with_a_key(program, emma18, provider):
    public_id = program.create({**T2V, "mode": "v2v", "video_url": "https://example.com/a.mp4"}).json()["id"]
    let_pass()

    assert provider.only.key == public_id
    assert provider.only.body["video_url"] == "https://example.com/a.mp4" and provider.only.body["mode"] == "v2v"
    assert ("POST", "/video/seedance/tasks") in provider.calls


def test_a_file_in_the_request_is_sent_and_then_forgotten(program, connected, provider):
    data = "data:image/png;base64," + "AAAA" * 1000
    program.create({"prompt": "A fox", "image_url": data})
    assert data not in json.dumps(the_only_task().spec)
    let_pass()

    assert provider.only.body["content"][1]["image_url"]["url"] == data
    assert not the_only_task().inputs.exists()


@pytest.mark.parametrize(("word", "outcome"), [("failed", "failed"), ("expired", "failed"), ("cancelled", "stopped")])
def test_what_was_not_made_costs_nothing(program, connected, provider, team, word, outcome):
    public_id = program.create().json()["id"]
    let_pass()
    provider.make(word, error={"code": "OutputVideoSensitiveContentDetected", "message": "Not this."})
    let_pass()

    shown = program.get(public_id).json()
    assert (shown["status"], shown["cost"]["charged"], shown["content"]) == (word, "0.00", None)
    assert shown["error"] == {"code": "OutputVideoSensitiveContentDetected", "message": "Not this."}
    assert Wallet.objects.get(team=team).held_nanousd == 0
    assert Receipt.objects.get(request_id=shown["request_id"]).outcome == outcome


def test_a_status_word_nobody_knows_is_asked_again(program, connected, provider):
    public_id = program.create().json()["id"]
    let_pass()
    provider.make("meditating")
    let_pass()
    assert program.get(public_id).json()["status"] == "queued"
    provider.make("processing", provider.only)
    let_pass()

    assert program.get(public_id).json()["status"] == "running"


def test_many_tasks_are_asked_for_in_one_call(program, connected, provider):
    for _ in range(12):
        program.create()
    let_pass()
    provider.calls.clear()
    let_pass()

    assert provider.calls == [("GET", "/contents/generations/tasks")]


def test_what_the_list_leaves_out_is_asked_for_by_itself(program, connected, provider):
    program.create()
    program.create()
    let_pass()
    provider.hidden = {"cgt-000002"}
    provider.make()
    let_pass()

    assert set(VideoTask.objects.values_list("state", flat=True)) == {"succeeded"}


def test_what_the_provider_forgot_twice_needs_an_admin_and_keeps_its_hold(program, connected, provider, team):
    public_id = program.create().json()["id"]
    let_pass()
    provider.clips.clear()
    let_pass()
    assert "attention" not in program.get(public_id).json()
    let_pass()

    shown = program.get(public_id).json()
    assert shown["status"] == "queued" and "no longer knows" in shown["attention"]
    assert Wallet.objects.get(team=team).held_nanousd > 0


def test_past_its_deadline_a_task_is_not_given_up(program, connected, provider, team):
    public_id = program.create().json()["id"]
    let_pass()
    provider.make("running")
    let_pass(timedelta(days=4))
    assert "held" in program.get(public_id).json()["attention"]
    provider.make()
    let_pass()

    shown = program.get(public_id).json()
    assert shown["status"] == "succeeded" and "attention" not in shown


def test_queued_at_the_provider_it_is_cancelled_there(program, connected, provider, team):
    public_id = program.create().json()["id"]
    let_pass()

    assert program.delete(public_id).json() == {"id": public_id, "status": "cancelled", "deleted": False}
    assert provider.only.status == "cancelled"
    assert Wallet.objects.get(team=team).held_nanousd == 0


def test_what_runs_is_not_cancelled(program, connected, provider):
    public_id = program.create().json()["id"]
    let_pass()
    provider.make("running")

    assert assert_refused(program.cancel(public_id), 409)["detail"] == "Task is running and cannot be cancelled."
    assert program.get(public_id).json()["status"] == "running"


def test_what_was_done_meanwhile_is_not_deleted_at_ark_by_a_cancel(program, connected, provider):
    public_id = program.create().json()["id"]
    let_pass()
    provider.make()

    assert_refused(program.cancel(public_id), 409, "task_ended")
    assert provider.clips and program.get(public_id).json()["status"] == "succeeded"


def test_a_callback_only_wakes(program, connected, provider, client):
    public_id = program.create().json()["id"]
    let_pass()
    lied = {"id": provider.only.id, "status": "succeeded"}
    token = the_only_task().callback_token

    assert client.post(f"/hooks/ark/{token}", lied, content_type="application/json").status_code == 204
    assert client.post("/hooks/ark/nobody", b"}", content_type="application/json").status_code == 204
    from videos import sweep

    sweep.run()
    assert program.get(public_id).json()["status"] == "queued"


def test_an_ark_is_connected_on_the_providers_page_if_it_takes_the_key(alice, provider):
    asked = {"kind": "ark", "name": "BytePlus", "base_url": provider.base_url}

    refused = signed_in(alice).post("/providers/connect/", {**asked, "api_key": "wrong"})
    connected = signed_in(alice).post("/providers/connect/", {**asked, "api_key": KEY})

    assert refused.status_code == 422 and "refused the key" in refused.text
    assert connected.status_code == 302
    assert [way.provider.name for way in offers.ways(alice.team, T2V["model"])] == ["BytePlus"]
    assert (
        signed_in(alice).post(f"/providers/{alice.team.providers.get(kind='ark').public_id}/sync/").status_code == 302
    )
