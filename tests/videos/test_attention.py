"""A video whose provider does not say what became of it: an admin finds out, and says it on the video's page."""

from datetime import timedelta

import pytest

from accounts.models import AuditEntry, Receipt, Wallet
from tests.conftest import signed_in
from tests.video_provider import DIES
from tests.videos.conftest import T2V, let_pass, the_only_task


@pytest.fixture
def lost(program, connected, provider):
    """Its answer was lost after the provider took it, and the provider's list leaves it out."""
    program.create({**T2V, "ratio": "16:9"})
    provider.next_create.append((DIES, True))
    let_pass()
    provider.hidden.add(provider.only.id)
    let_pass(timedelta(minutes=20))
    task = the_only_task()
    assert task.needs_attention and not task.upstream_id
    return task


def test_admin_is_told_what_is_held_and_what_each_answer_does_to_it(lost, alice, bob):
    page, members = (signed_in(caller).get(f"/videos/{lost.public_id}/") for caller in (alice, bob))

    assert "of the team’s credit stays held until then" in page.text and "$0.7560" in page.text
    assert "Follow it" in page.text and "Give it up" in page.text and 'hx-get="/videos/vt_' not in page.text
    assert "Give it up" not in members.text and lost.attention[:40] in members.text
    assert "Needs an admin" in signed_in(bob).get("/videos/").text


def test_what_an_admin_finds_there_is_followed_to_its_end_and_charged(lost, alice, provider, program):
    signed_in(alice).post(f"/videos/{lost.public_id}/adopt/", {"upstream_id": f" {provider.only.id} "})

    assert the_only_task().state == "queued" and not the_only_task().needs_attention
    assert Wallet.objects.get().held_nanousd == lost.estimated_nanousd
    provider.make()
    let_pass()
    shown = program.get(lost.public_id).json()
    assert (shown["status"], shown["cost"]["charged"]) == ("succeeded", "0.756")
    assert Wallet.objects.get().held_nanousd == 0
    assert AuditEntry.objects.filter(action="video-adopted", actor=alice.user).exists()


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("", "Give the id that Ark shows"),
        ("cgt-999999", "Ark knows no task cgt-999999"),
        ("../models", "knows no task"),
    ],
)
def test_what_the_provider_does_not_call_a_task_is_refused(lost, alice, typed, sentence):
    page = signed_in(alice).post(f"/videos/{lost.public_id}/adopt/", {"upstream_id": typed}, follow=True)

    assert sentence in page.text
    assert the_only_task().state == "submit_unknown" and the_only_task().needs_attention


def test_one_that_another_video_is_already_is_refused(lost, alice, provider, program):
    other = program.create({"prompt": "A hare", "model": lost.model_id}).json()["id"]
    lost_id = provider.only.id
    let_pass()
    taken = next(id for id in provider.clips if id != lost_id)

    page = signed_in(alice).post(f"/videos/{lost.public_id}/adopt/", {"upstream_id": taken}, follow=True)

    assert "videos is cgt-" in page.text and other != lost.public_id


def test_what_an_admin_gives_up_is_released_and_not_charged(lost, alice, program):
    page = signed_in(alice).post(f"/videos/{lost.public_id}/give-up/", follow=True)

    assert "is free again" in page.text and "An admin gave it up" in page.text
    wallet = Wallet.objects.get()
    assert (wallet.held_nanousd, wallet.balance_nanousd) == (0, 1000 * 10**9)
    assert Receipt.objects.get(request_id=lost.request_id).outcome == "failed"
    again = signed_in(alice).post(f"/videos/{lost.public_id}/give-up/", follow=True)
    assert "needs nobody to give it up" in again.text


def test_what_its_provider_still_tells_of_is_not_given_up(program, connected, provider, alice):
    program.create()
    let_pass()

    page = signed_in(alice).post(f"/videos/{the_only_task().public_id}/give-up/", follow=True)

    assert "needs nobody to give it up" in page.text and the_only_task().state == "queued"
