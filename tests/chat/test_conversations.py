"""Conversations through the pages: who sees them, and the life of a turn."""

from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.refusals import Conflict
from chat import conversations
from chat.conversations import Written
from chat.models import Conversation, Turn
from tests.conftest import signed_in

MODEL = "embedded/smollm2-135m-instruct"


@pytest.fixture
def reply(alice) -> Turn:
    """alice's first prompt, whose reply nobody has begun to write."""
    return conversations.start(alice, prompt="Name three rivers.", model_id=MODEL)


def claimed(reply: Turn, request_id: str = "req_1") -> Turn:
    turn = conversations.claim(reply.public_id, request_id=request_id)
    assert turn is not None
    return turn


def lapse(turn: Turn) -> None:
    Turn.objects.filter(pk=turn.pk).update(leased_until=timezone.now() - timedelta(seconds=1))


def test_a_prompt_starts_a_conversation_named_after_it(alice):
    response = signed_in(alice).post(reverse("start-conversation"), {"prompt": "Name\nthree rivers.", "model": MODEL})

    started = Conversation.objects.get()
    assert response.url == reverse("conversation", args=[started.public_id])
    assert (started.title, started.owner) == ("Name three rivers.", alice.user)


@pytest.mark.parametrize(
    ("prompt", "model", "sentence"),
    [
        ("", MODEL, "Write a message first."),
        ("   \n", MODEL, "Write a message first."),
        ("Hello", "", "Choose a model first."),
        ("Hello", "embedded/smollm", "Did you mean embedded/smollm2-135m-instruct?"),
        ("x" * 200_001, MODEL, "longer than 200000 characters"),
        ("🎬" * 200_001, MODEL, "longer than 200000 characters"),
    ],
)
def test_what_cannot_be_sent_is_said_and_kept_in_the_field(alice, prompt, model, sentence):
    response = signed_in(alice).post(reverse("start-conversation"), {"prompt": prompt, "model": model})

    page = response.content.decode()
    assert response.status_code in (404, 422)
    assert sentence in page and (prompt.strip() or "placeholder") in page
    assert not Conversation.objects.exists()


def test_a_viewer_reads_and_does_not_write(vera):
    client = signed_in(vera)

    assert client.get(reverse("playground")).status_code == 200
    refused = client.post(reverse("start-conversation"), {"prompt": "Hello", "model": MODEL})
    assert refused.status_code == 403


@pytest.mark.parametrize("door", ["conversation", "add-turn", "rename-conversation", "delete-conversation"])
def test_another_persons_conversation_is_not_there(bob, charlie, reply, door):
    url = reverse(door, args=[reply.conversation.public_id])
    data = {"prompt": "Hello", "model": MODEL, "title": "Mine now"}

    for stranger in (bob, charlie):
        client = signed_in(stranger)
        response = client.get(url) if door == "conversation" else client.post(url, data)
        assert response.status_code == 404
    assert Conversation.objects.get().title == "Name three rivers."


def test_a_second_prompt_waits_for_the_reply(alice, reply):
    client = signed_in(alice)

    response = client.post(
        reverse("add-turn", args=[reply.conversation.public_id]), {"prompt": "And lakes?", "model": MODEL}
    )

    assert response.status_code == 409
    assert "still being written" in response.content.decode() and "And lakes?" in response.content.decode()


def test_a_reply_is_claimed_once(reply):
    assert conversations.claim(reply.public_id, request_id="req_1") is not None
    assert conversations.claim(reply.public_id, request_id="req_2") is None


def test_a_reply_stopped_before_it_began_is_not_claimed(alice, reply):
    conversations.stop(alice, reply.public_id)

    assert conversations.claim(reply.public_id, request_id="req_1") is None
    assert Turn.objects.get(pk=reply.pk).state == "stopped"


def test_a_checkpoint_keeps_the_text_and_tells_a_stopped_writer_to_end(alice, reply):
    turn = claimed(reply)

    assert conversations.checkpoint(turn, Written("The Rhine", []))
    conversations.stop(alice, reply.public_id)
    assert not conversations.checkpoint(turn, Written("The Rhine, the", []))
    assert Turn.objects.get(pk=turn.pk).text == "The Rhine"


def test_a_reply_ends_once(reply):
    turn = claimed(reply)

    assert conversations.finish(turn, Written("Rhine", []), state=Turn.State.DONE)
    assert not conversations.finish(turn, Written("", []), state=Turn.State.FAILED)
    assert Turn.objects.get(pk=turn.pk).state == "done"


def test_a_lapsed_reply_is_interrupted_with_its_text_and_a_retry(alice, reply):
    turn = claimed(reply)
    conversations.checkpoint(turn, Written("The *Rhine*", []))
    lapse(turn)

    page = signed_in(alice).get(reverse("conversation", args=[reply.conversation.public_id])).content.decode()

    assert "<em>Rhine</em>" in page and "Interrupted" in page
    assert reverse("retry-turn", args=[reply.public_id]) in page


def test_the_list_marks_replies_being_written_and_not_those_whose_writer_is_gone(alice, reply):
    client = signed_in(alice)

    before = client.get(reverse("conversation-list")).content.decode()
    lapse(reply)
    after = client.get(reverse("conversation-list")).content.decode()

    assert "a reply is being written" in before
    assert "a reply is being written" not in after


def test_a_writer_whose_lease_lapsed_cannot_write_over_the_end(reply):
    turn = claimed(reply)
    lapse(turn)
    conversations.interrupt_lapsed(Turn.objects.all())

    assert not conversations.checkpoint(turn, Written("late", []))
    assert not conversations.finish(turn, Written("late", []), state=Turn.State.DONE)


@pytest.mark.parametrize("door", ["add-turn", "retry-turn"])
def test_who_goes_on_after_a_writer_is_gone_is_not_told_to_wait_for_it(alice, reply, door):
    lapse(claimed(reply))
    target = reply.conversation.public_id if door == "add-turn" else reply.public_id

    response = signed_in(alice).post(reverse(door, args=[target]), {"prompt": "And lakes?", "model": MODEL})

    assert response.status_code == 302
    assert Turn.objects.get(pk=reply.pk).state == "interrupted"


def test_retry_writes_another_reply_and_keeps_the_first(alice, reply):
    conversations.finish(claimed(reply), Written("Rhine", []), state=Turn.State.DONE)

    again = conversations.retry(alice, reply.public_id)

    assert (again.parent_id, again.state) == (reply.parent_id, "waiting")
    assert Turn.objects.get(pk=reply.pk).text == "Rhine"


def test_retry_while_a_reply_is_written_is_refused(alice, reply):
    with pytest.raises(Conflict):
        conversations.retry(alice, reply.public_id)


def test_the_model_is_given_the_turns_above_the_reply(alice, reply):
    conversations.finish(claimed(reply), Written("Rhine", []), state=Turn.State.DONE)
    second = conversations.add(alice, reply.conversation.public_id, prompt="And lakes?", model_id=MODEL)

    assert conversations.messages(second) == [
        {"role": "user", "content": "Name three rivers."},
        {"role": "assistant", "content": "Rhine"},
        {"role": "user", "content": "And lakes?"},
    ]


def test_times_are_shown_by_the_visitors_clock(alice, reply):
    Turn.objects.update(created_at=datetime(2026, 3, 1, 23, 30, tzinfo=UTC))
    client, url = signed_in(alice), reverse("conversation", args=[reply.conversation.public_id])

    utc = client.get(url).content.decode()
    client.cookies["zone"] = "Asia/Tokyo"
    tokyo = client.get(url).content.decode()
    client.cookies["zone"] = "../etc/passwd"
    nonsense = client.get(url).content.decode()

    assert ">23:30</time>" in utc and ">08:30</time>" in tokyo and ">23:30</time>" in nonsense


def test_a_window_that_fell_behind_is_given_what_it_missed(alice, reply):
    conversations.finish(claimed(reply), Written("Rhine", []), state=Turn.State.DONE)
    add = reverse("add-turn", args=[reply.conversation.public_id])
    elsewhere = conversations.add(alice, reply.conversation.public_id, prompt="And lakes?", model_id=MODEL)
    conversations.finish(claimed(elsewhere, "req_2"), Written("Constance", []), state=Turn.State.DONE)

    data = {"prompt": "And hills?", "model": MODEL, "seen": reply.public_id}
    page = signed_in(alice).post(add, data, headers={"HX-Request": "true"}).content.decode()

    assert "Rhine" not in page
    assert page.index("And lakes?") < page.index("Constance") < page.index("And hills?")


def test_a_reply_that_met_its_limit_says_so(alice, reply):
    conversations.finish(claimed(reply), Written("The Rhine and", []), state=Turn.State.DONE, is_cut_off=True)

    page = signed_in(alice).get(reverse("conversation", args=[reply.conversation.public_id])).content.decode()

    assert "Cut off" in page


def test_conversations_are_renamed_and_deleted(alice, reply):
    client, public_id = signed_in(alice), reply.conversation.public_id

    client.post(reverse("rename-conversation", args=[public_id]), {"title": "  Rivers  of\0 Europe "})
    assert Conversation.objects.get().title == "Rivers of Europe"
    blank = client.post(reverse("rename-conversation", args=[public_id]), {"title": " "}, follow=True)
    assert "Give the conversation a title" in blank.content.decode()
    assert Conversation.objects.get().title == "Rivers of Europe"
    client.post(reverse("delete-conversation", args=[public_id]))
    assert not Turn.objects.exists()


def test_older_conversations_follow_page_by_page(alice):
    for number in range(45):
        conversations.start(alice, prompt=f"Prompt {number:02}", model_id=MODEL)
    client = signed_in(alice)

    first = client.get(reverse("playground"))
    second = client.get(reverse("conversation-list"), {"before": first.context["older"]})

    shown = [
        item.title
        for response in (first, second)
        for group in response.context["conversations"]
        for item in group.items
    ]
    assert shown == [f"Prompt {number:02}" for number in reversed(range(45))]
    assert second.context["older"] == ""


@pytest.mark.parametrize("before", ["", "~", "0001-01-01T00:00+23:59~x", "9999-12-31T23:59-23:59~x", "2026-01-01~x\0"])
def test_a_list_is_continued_or_the_cursor_is_refused(alice, before):
    assert signed_in(alice).get(reverse("conversation-list"), {"before": before}).status_code in (200, 400)


@pytest.mark.parametrize(
    "door", ["conversation", "add-turn", "rename-conversation", "delete-conversation", "stop-turn"]
)
def test_an_id_that_no_database_takes_is_nobodys(alice, door):
    client, url = signed_in(alice), reverse(door, args=["\0"])
    data = {"prompt": "Hello", "model": MODEL, "title": "Mine"}

    response = client.get(url) if door == "conversation" else client.post(url, data)

    assert response.status_code in (400, 404)  # PostgreSQL does not compare it, SQLite does


def test_a_page_costs_the_same_queries_however_long_the_list(alice, django_assert_max_num_queries):
    for number in range(30):
        conversations.start(alice, prompt=f"Prompt {number}", model_id=MODEL)

    client = signed_in(alice)

    with django_assert_max_num_queries(11):
        client.get(reverse("playground"))


def test_a_refused_button_gets_the_sentence_alone_and_swaps_nothing(alice, reply):
    url = reverse("retry-turn", args=[reply.public_id])

    response = signed_in(alice).post(url, headers={"HX-Request": "true"})

    assert (response.status_code, response["HX-Reswap"]) == (409, "none")
    assert response.content.decode() == "A reply is being written already."
