"""Creating tasks through the API: what is answered, what is held, and how a repeat is told from a new request."""

import pytest

from accounts import vault
from accounts.models import Hold, Wallet
from catalog import curation
from tests.contract.shape import assert_refused
from tests.videos.conftest import ARK_TASKS, STORYBOARD, T2V, Program
from videos.models import VideoTask
from videos.modes import SEEDANCE_FAST


def test_a_task_is_taken_on_and_its_most_is_held(program, ark, team):
    answer = program.create()

    shown = answer.json()
    assert answer.status_code == 200
    assert (shown["status"], shown["terminal"], shown["mode"]) == ("queued", False, "t2v")
    assert answer.headers["location"] == f"/api/v1/video/seedance/tasks/{shown['id']}"
    assert shown["cost"] == {"currency": "USD", "estimated": "0.760767", "held": "0.760767", "charged": None}
    assert Wallet.objects.get(team=team).held_nanousd == 760_767_000


def test_the_storyboard_is_free_and_needs_no_provider(program):
    shown = program.create(STORYBOARD).json()

    assert shown["cost"]["held"] == "0.00"
    assert shown["is_storyboard"] is True


def test_a_seedance_id_is_drawn_only_where_an_admin_said_so_and_by_nobody_else(program, alice):
    curation.draw(alice, "bytedance/seedance-2.0")

    shown = program.create().json()

    assert (shown["model"], shown["is_storyboard"], shown["cost"]["held"]) == (T2V["model"], True, "0.00")
    assert_refused(program.create({**T2V, "model": SEEDANCE_FAST}), 403, "provider_not_connected")


def test_who_makes_it_comes_before_who_draws_it_and_a_paused_one_is_not_asked(program, alice, ark):
    curation.draw(alice, "bytedance/seedance-2.0")
    assert program.create().json()["provider"] == ark.name

    vault.pause(ark, by=alice)

    assert program.create().json()["is_storyboard"] is True


def test_a_seedance_id_without_a_provider_is_refused_and_says_what_to_connect(program):
    body = assert_refused(program.create(), 403, "provider_not_connected")

    assert "Volcengine Ark" in body["detail"] and body["error"]["param"] == "model"
    assert not VideoTask.objects.exists()


def test_the_same_key_with_the_same_request_gives_the_same_task(program, ark):
    first = program.create(key="take-1")
    repeat = program.create(dict(reversed(T2V.items())), key="take-1")

    assert repeat.json()["id"] == first.json()["id"]
    assert repeat.headers["idempotent-replayed"] == "true" and "idempotent-replayed" not in first.headers
    assert Hold.objects.count() == 1


def test_the_same_key_with_another_request_is_refused_for_good(program, ark):
    program.create(key="take-1")

    answer = program.create({**T2V, "duration": 6}, key="take-1")

    assert_refused(answer, 400, "idempotency_key_reused")
    assert answer.headers["x-should-retry"] == "false"


def test_a_refused_request_does_not_use_up_its_key(program, ark):
    assert_refused(program.create({**T2V, "duration": 16}, key="take-1"), 400)

    assert program.create(key="take-1").status_code == 200


def test_who_cannot_pay_gets_no_task_but_a_receipt(ark, access_key, team):
    body = {**T2V, "resolution": "4k", "duration": 15}
    program = Program(access_key)
    while program.create(body).status_code == 200:
        pass

    answer = program.create(body)

    assert_refused(answer, 402, "insufficient_credits")
    assert team.receipts.latest("pk").door == "video"


def test_a_viewer_makes_no_videos(vera, funded, ark):
    from accounts import keys

    assert_refused(Program(keys.issue(vera, name="looks")[1]).create(), 403)


def test_both_addresses_show_the_same_tasks(program, ark, access_key):
    old = Program(access_key, ARK_TASKS)
    created = old.create({"model": T2V["model"], "content": [{"type": "text", "text": "A fox"}]})

    assert created.headers["location"].startswith(ARK_TASKS)
    assert program.get(created.json()["id"]).json()["prompt"] == "A fox"
    assert old.get().json()["total"] == 1


def test_a_task_of_another_team_does_not_exist(program, ark, charlie):
    from accounts import keys

    public_id = program.create().json()["id"]
    stranger = Program(keys.issue(charlie, name="elsewhere")[1])

    assert_refused(stranger.get(public_id), 404, "task_not_found")
    assert_refused(stranger.cancel(public_id), 404)
    assert_refused(stranger.delete(public_id), 404)
    assert stranger.get().json()["items"] == []


def test_what_was_not_sent_yet_is_cancelled_at_once_and_costs_nothing(program, ark, team):
    public_id = program.create().json()["id"]

    assert program.cancel(public_id).json() == {"id": public_id, "status": "cancelled", "deleted": False}

    shown = program.get(public_id).json()
    assert (shown["status"], shown["cost"]["charged"]) == ("cancelled", "0.00")
    assert Wallet.objects.get(team=team).held_nanousd == 0
    assert program.delete(public_id).json() == {"id": public_id, "deleted": True}
    assert_refused(program.get(public_id), 404)


def test_modes_tell_what_can_be_asked_and_what_is_available(program, ark):
    shown = program.client.get("/api/v1/video/seedance/modes").json()

    assert [mode["mode"] for mode in shown["modes"]] == ["t2v", "i2v", "v2v"]
    assert {model["id"]: model["available"] for model in shown["models"]} == {
        "doubao-seedance-2-0-260128": True,
        "doubao-seedance-2-0-fast-260128": True,
        "embedded/storyboard": True,
    }


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"status": "queued"}, 2),
        ({"filter.status": "running"}, 0),
        ({"filter.model": "embedded/storyboard"}, 1),
        ({"mode": "t2v", "page_size": 1}, 2),
        ({"created_after": 99_999_999_999}, 0),
    ],
)
def test_a_list_can_be_narrowed(program, ark, query, count):
    program.create()
    program.create(STORYBOARD)

    assert program.get(**query).json()["total"] == count


@pytest.mark.parametrize(
    ("query", "param"),
    [({"page_size": 501}, "page_size"), ({"status": "lost"}, "status"), ({"colour": "red"}, "colour")],
)
def test_a_list_that_cannot_be_asked_for_names_why(program, query, param):
    assert assert_refused(program.get(**query), 400)["error"]["param"] == param


def test_the_catalogs_name_of_a_model_is_taken_too(program, ark):
    created = program.create({**T2V, "model": "bytedance/seedance-2.0"})

    assert created.json()["model"] == T2V["model"]
