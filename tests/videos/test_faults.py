"""A provider that fails and lies: no task is lost, sent twice or charged wrongly."""

from datetime import timedelta

import pytest

from accounts import vault
from accounts.models import Provider, Receipt, Wallet
from tests.conftest import signed_in
from tests.contract.shape import assert_refused
from tests.video_provider import DIES
from tests.videos.conftest import T2V, keep, let_pass, the_only_task
from videos import lifecycle
from videos.models import Lane, VideoTask


@pytest.fixture
def task_id(program, connected) -> str:
    public_id: str = program.create().json()["id"]
    return public_id


@pytest.mark.parametrize("status", [DIES, 502, 504])
def test_a_lost_answer_is_found_in_the_list_and_not_sent_again(program, task_id, provider, status):
    provider.next_create.append((status, True))
    let_pass()
    assert the_only_task().state == "submit_unknown" and program.get(task_id).json()["status"] == "queued"
    let_pass()

    assert the_only_task().upstream_id == provider.only.id
    provider.make()
    let_pass()
    assert program.get(task_id).json()["status"] == "succeeded"


def test_what_was_never_taken_is_asked_about_after_a_quarter_of_an_hour(program, task_id, provider, team):
    provider.next_create.append((DIES, False))
    let_pass()
    let_pass(timedelta(minutes=14))
    assert not the_only_task().needs_attention
    let_pass(timedelta(minutes=2))

    task = the_only_task()
    assert task.needs_attention and task.state == "submit_unknown" and not provider.clips
    assert Wallet.objects.get(team=team).held_nanousd == task.estimated_nanousd


def test_an_admin_gives_up_what_nobody_knows(program, task_id, provider, funded):
    provider.next_create.append((DIES, False))
    let_pass()

    lifecycle.give_up(the_only_task(), by=funded.user)

    shown = program.get(task_id).json()
    assert (shown["status"], shown["error"]["code"], shown["cost"]["charged"]) == ("failed", "given_up", "0.00")


def test_a_defect_that_the_provider_admits_is_sent_again_once_the_list_is_sure(task_id, provider):
    provider.next_create.append((500, False))
    let_pass()
    let_pass()
    assert not provider.clips
    let_pass(timedelta(minutes=1))
    let_pass()

    assert the_only_task().upstream_id == provider.only.id


def test_a_defect_after_the_task_was_taken_all_the_same_is_not_sent_again(task_id, provider):
    provider.next_create.append((500, True))
    let_pass()
    let_pass(timedelta(minutes=1))

    assert the_only_task().upstream_id == provider.only.id


def test_two_lost_answers_that_look_alike_are_told_apart_by_their_marks(program, task_id, provider):
    program.create()
    provider.next_create.extend([(DIES, True), (DIES, True)])
    let_pass()
    let_pass()

    found = {task.upstream_id: task.expires_after_s for task in VideoTask.objects.all()}
    assert found == {clip.id: clip.body["execution_expires_after"] for clip in provider.clips.values()}


def test_two_lost_answers_that_cannot_be_told_apart_are_not_guessed_at(program, task_id, provider):
    program.create()
    provider.forgets_marks = True
    provider.next_create.extend([(DIES, True), (DIES, True)])
    let_pass()
    let_pass(timedelta(minutes=20))

    assert all(task.needs_attention and not task.upstream_id for task in VideoTask.objects.all())
    assert len(provider.clips) == 2


def test_a_callback_tells_which_one_it_is(program, task_id, provider, client):
    program.create()
    provider.forgets_marks = True
    provider.next_create.extend([(DIES, True), (DIES, True)])
    let_pass()
    task, clip = VideoTask.objects.first(), provider.clips["cgt-000002"]
    client.post(f"/hooks/ark/{task.callback_token}", {"id": clip.id}, content_type="application/json")
    let_pass()

    assert set(VideoTask.objects.values_list("upstream_id", flat=True)) == set(provider.clips)
    assert VideoTask.objects.get(pk=task.pk).upstream_id == clip.id


@pytest.mark.parametrize("status", [DIES, 500, 504])
def test_another_emma18_is_sent_the_same_key_again(program, emma18, provider, status):
    program.create()
    provider.next_create.append((status, True))
    let_pass()
    let_pass()

    assert the_only_task().upstream_id == provider.only.id


def test_a_storm_of_429_closes_the_lane_and_fails_nothing(task_id, provider):
    provider.next_create.append((429, False))
    provider.retry_after = "40"
    let_pass()

    task, lane = the_only_task(), Lane.objects.get()
    assert task.state == "submitting" and task.sent_at is None
    assert 35 < (lane.next_at - task.updated_at).total_seconds() < 45
    let_pass()
    assert the_only_task().upstream_id == provider.only.id


@pytest.mark.parametrize("status", [429, 500, 503, 401])
def test_trouble_while_asking_ends_no_task(program, task_id, provider, status):
    let_pass()
    provider.list_status = provider.get_status = status
    for _ in range(3):
        let_pass()
    assert the_only_task().is_open
    assert Lane.objects.get().is_stopped == (status == 401)
    provider.list_status = provider.get_status = 200
    provider.make()
    let_pass()

    assert program.get(task_id).json()["status"] == "succeeded"
    assert not Lane.objects.get().is_stopped


def test_a_provider_that_cannot_list_is_asked_one_by_one(program, task_id, provider):
    let_pass()
    provider.list_status = 404
    provider.make()
    let_pass()

    assert program.get(task_id).json()["status"] == "succeeded"


@pytest.mark.parametrize(
    ("status", "code"), [(401, "provider_permission_denied"), (402, "provider_out_of_funds"), (400, "Code400")]
)
def test_a_no_at_once_fails_the_task_and_frees_its_hold(program, task_id, provider, team, status, code):
    provider.next_create.append((status, False))
    let_pass()

    shown = program.get(task_id).json()
    assert (shown["status"], shown["error"]["code"], shown["cost"]["charged"]) == ("failed", code, "0.00")
    assert Wallet.objects.get(team=team).held_nanousd == 0
    assert Receipt.objects.get(request_id=shown["request_id"]).code == code


def test_what_one_provider_refuses_the_next_one_takes(program, task_id, provider, team):
    keep(team, Provider.Kind.ARK, name="Second", base_url=provider.base_url)
    provider.next_create.append((403, False))
    let_pass()

    task = the_only_task()
    assert (task.provider_name, task.state) == ("Second", "queued")
    provider.make()
    let_pass()
    receipt = Receipt.objects.get(request_id=task.request_id)
    assert (receipt.attempts, receipt.provider_name) == (2, "Second")


def test_a_provider_nobody_reaches_is_tried_until_the_task_runs_out(program, ark):
    public_id = program.create().json()["id"]
    let_pass()
    assert (the_only_task().state, the_only_task().sent_at) == ("submitting", None)
    let_pass(timedelta(days=4))

    shown = program.get(public_id).json()
    assert (shown["status"], shown["cost"]["charged"]) == ("expired", "0.00")


def test_a_process_that_died_while_sending_leaves_a_task_that_is_looked_for(task_id, provider):
    lifecycle.send_now([the_only_task()])
    provider.next_create.clear()
    let_pass()

    assert the_only_task().state == "submit_unknown" and not provider.clips


def test_a_removed_provider_leaves_a_task_to_an_admin(task_id, connected, funded):
    let_pass()
    vault.remove(connected, by=funded)
    let_pass()

    assert "removed" in the_only_task().attention


def test_what_takes_no_more_is_sent_no_more(program, connected, provider, alice):
    signed_in(alice).post(f"/providers/{connected.public_id}/videos-at-once/", {"videos_at_once": "2"})
    for _ in range(3):
        program.create(T2V)
    let_pass()
    assert len(provider.clips) == 2
    provider.make()
    let_pass()
    let_pass()

    assert len(provider.clips) == 3


def test_an_emma18_that_is_connected_to_itself_stops_asking(program, emma18, provider):
    program.client.post(program.path, T2V, content_type="application/json", headers={"x-emma18-hops": "2"})
    let_pass()
    assert provider.hops == ["3"]

    answer = program.client.post(program.path, T2V, content_type="application/json", headers={"x-emma18-hops": "3"})
    assert_refused(answer, 400, "loop_detected")
