"""The line under a reply in the playground: what it cost, and the way to its receipt."""

import pytest

from accounts.models import Attempt
from accounts.refusals import PaymentRequired
from chat import conversations, thread
from chat.conversations import State, Written
from tests.conftest import signed_in
from tests.receipts import finished, fund

MODEL = "embedded/smollm2-135m-instruct"
FREE = {"prompt_picousd": 0, "completion_picousd": 0, "cached_picousd": None, "source": "x", "as_of": "2026-11-01"}


@pytest.fixture
def line(alice):
    """The line under a reply of alice's that was charged so."""
    fund(alice)

    def shown(cost_nanousd: int = 0, **receipt) -> str:
        reply = conversations.start(alice, prompt="Hello", model_id=MODEL)
        request_id = finished(alice, cost_nanousd, **receipt).request_id
        conversations.claim(reply.public_id, request_id=request_id)
        reply.refresh_from_db()
        conversations.finish(reply, Written("Hi", []), state=State.DONE, error="")
        page = signed_in(alice).get(f"/chat/{reply.conversation.public_id}/").text
        assert thread.finished_turn_html(reply.public_id).count("data-receipt") == 1
        written = " ".join(page[page.index("data-receipt") : page.index('class="turn-tools"')].split())
        return written.replace(request_id, "ID")

    return shown


@pytest.mark.parametrize(
    ("cost_nanousd", "receipt", "says"),
    [
        (4_200_000, {}, "$0.0042</a>"),
        (4_200_000, {"basis": Attempt.Basis.ESTIMATED}, "$0.0042</a> <span>estimated</span>"),
        (0, {"price": FREE}, "free</a>"),
        (0, {"price": {}}, "no price known</a>"),
        (0, {"tokens": (0, 0)}, "not charged</a>"),
    ],
)
def test_reply_says_what_it_cost(line, cost_nanousd, receipt, says):
    assert says in line(cost_nanousd, **receipt)


def test_cost_leads_to_the_receipt(line):
    assert 'href="/usage/requests/ID/"' in line(4_200_000)


def test_what_was_refused_has_no_cost(line):
    assert "/usage/requests/" not in line(refusal=PaymentRequired("Too dear.", limits=[]))


def test_costs_of_a_conversation_are_one_query(alice, line, django_assert_num_queries):
    line(4_200_000)
    turns = conversations.thread(alice.team.conversations.get())

    with django_assert_num_queries(1):
        shown = thread.shown(turns, model_names={})

    assert [turn.receipt.cost and turn.receipt.cost.nanousd for turn in shown] == [None, 4_200_000]
