"""What a call costs, through the door: held before, charged after, and never more or less than what came."""

import json

import pytest

from tests.contract.conftest import Api
from tests.contract.shape import assert_refused

CHAT = "/chat/completions"
PROMPT_PICOUSD, COMPLETION_PICOUSD = 150_000, 600_000  # of the loopback provider's models


def receipt(api: Api, request_id: str) -> dict:
    """The receipt, its hold's state and its attempts, as the database has them."""
    code = f"""
import json
from accounts.models import Receipt
row = Receipt.objects.select_related("hold").get(request_id={request_id!r})
print(json.dumps({{
    "outcome": row.outcome, "status": row.status, "code": row.code, "held": row.held_nanousd,
    "charged": row.charged_nanousd, "basis": row.basis, "in": row.tokens_in, "out": row.tokens_out,
    "price": row.price, "provider": row.provider_name, "door": row.door, "client": row.client,
    "state": row.hold and row.hold.state, "refusal": row.refusal,
    "attempts": list(row.hold.attempts.order_by("number").values_list("status", "cost_nanousd")) if row.hold else [],
}}))
"""
    return json.loads(api.server.run_python(code))


def ask(http, model: str, **more):
    return http.post(CHAT, json={"model": model, "messages": [{"role": "user", "content": "Hello!"}], **more})


def test_a_call_is_charged_what_the_provider_counted(api, http, provider):
    model = provider.script("two-ways", counts={"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500})

    answer = ask(http, model)

    found = receipt(api, answer.headers["x-request-id"])
    assert answer.json()["usage"]["prompt_tokens"] == 1000
    assert found["charged"] == (1000 * PROMPT_PICOUSD + 500 * COMPLETION_PICOUSD) // 1000
    assert (found["basis"], found["outcome"], found["state"]) == ("reported", "done", "settled")
    assert (found["in"], found["out"], found["door"], found["provider"]) == (1000, 500, "api", "Loopback")
    assert found["price"]["source"] == "listed by Loopback"
    provider.script("two-ways")


@pytest.mark.parametrize("stream", [False, True])
def test_without_a_count_of_the_providers_what_came_is_counted_and_marked(api, http, provider, stream):
    model = provider.script("asks-no-usage", usage="never", text="x" * 400)

    answer = ask(http, model, stream=stream)

    found = receipt(api, answer.headers["x-request-id"])
    assert found["basis"] == "estimated"
    assert found["out"] == 100
    assert 0 < found["charged"] <= found["held"]


@pytest.mark.parametrize("counts", [{"prompt_tokens": -5}, {"completion_tokens": "many"}, {"prompt_tokens": 10**18}])
def test_a_count_that_makes_no_sense_is_not_believed(api, http, provider, counts):
    model = provider.script("hesitant", counts=counts)

    found = receipt(api, ask(http, model).headers["x-request-id"])

    assert found["basis"] == "estimated"
    provider.script("hesitant")


def test_a_count_beyond_the_hold_charges_the_hold_and_is_written_down_and_logged(api, http, provider):
    model = provider.script("hesitant", counts={"prompt_tokens": 10**6, "completion_tokens": 10**6})

    request_id = ask(http, model, max_tokens=10).headers["x-request-id"]

    found = receipt(api, request_id)
    [line] = [json.loads(line) for line in api.server.log.splitlines() if "cost more than was held" in line]
    assert (line["level"], line["request_id"]) == ("error", request_id)
    assert line["not_charged_nanousd"] == found["attempts"][0][1] - found["charged"]
    assert "Hello!" not in str(line) and api.key not in str(line)

    assert found["charged"] == found["held"]
    assert found["attempts"] == [["done", (10**6 * PROMPT_PICOUSD + 10**6 * COMPLETION_PICOUSD) // 1000]]
    provider.script("hesitant")


def test_what_fails_before_its_first_byte_costs_nothing(api, http):
    answer = ask(http, "refuse-500")

    found = receipt(api, answer.headers["x-request-id"])
    assert answer.status_code == 502
    assert (found["charged"], found["state"], found["outcome"], found["status"]) == (0, "released", "failed", 502)
    assert found["attempts"] == [["provider_unavailable", 0]]


def test_a_stream_that_breaks_off_is_charged_what_was_delivered(api, http):
    answer = ask(http, "cut-mid-stream", stream=True)

    found = receipt(api, answer.headers["x-request-id"])
    assert (found["outcome"], found["code"], found["basis"]) == ("interrupted", "provider_interrupted", "estimated")
    assert 0 < found["charged"] < found["held"]


def test_both_attempts_of_a_request_stand_under_one_hold(api, http, provider):
    model = provider.script("two-ways", fault="refuse-500")

    found = receipt(api, ask(http, model).headers["x-request-id"])

    assert found["attempts"] == [["provider_unavailable", 0], ["done", found["charged"]]]
    assert found["provider"] == "Spare"
    provider.script("two-ways")


def test_without_a_cap_of_the_callers_one_is_set_and_disclosed(http, provider):
    answer = ask(http, "verbatim")

    cap = int(answer.headers["x-emma18-max-tokens"])
    sent = next(request.json for request in reversed(provider.requests) if request.json["model"] == "verbatim")
    assert sent["max_tokens"] == cap
    assert 256 <= cap <= 8192


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_callers_own_cap_is_passed_on_as_it_came(http, provider, name):
    answer = ask(http, "verbatim", **{name: 77})

    assert "x-emma18-max-tokens" not in answer.headers
    sent = next(request.json for request in reversed(provider.requests) if request.json["model"] == "verbatim")
    assert {key: value for key, value in sent.items() if key.startswith("max_")} == {name: 77}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("max_tokens", value) for value in (0, -1, 1.5, True, "many", 10**12)),
        *(("max_completion_tokens", value) for value in (0, False, 10**12)),
        *(("n", value) for value in (0, -1, True, 129, "2")),
        ("service_tier", "priority"),
        ("web_search_options", {}),
        ("search_parameters", {"mode": "on"}),
        ("enable_search", True),
        ("plugins", [{"id": "web"}]),
        ("modalities", ["text", "audio"]),
        ("speed", "fast"),
    ],
)
def test_a_number_that_cannot_be_priced_is_refused_at_its_name(http, provider, name, value):
    before = len(provider.requests)

    answer = ask(http, "verbatim", **{name: value})

    assert assert_refused(answer, 400)["error"]["param"] == name
    assert len(provider.requests) == before


def test_more_choices_hold_more(api, http):
    one = receipt(api, ask(http, "verbatim", max_tokens=100).headers["x-request-id"])["held"]
    five = receipt(api, ask(http, "verbatim", max_tokens=100, n=5).headers["x-request-id"])["held"]

    assert five - one == pytest.approx(4 * 100 * COMPLETION_PICOUSD // 1000, rel=0.01)


LIMITED = """
from django.db import transaction
from accounts import budgets, keys, people
from accounts.models import Budget, Team, User
alice = people.member(Team.objects.get(name="Northlight"), user=User.objects.get(name="alice"))
row, key = keys.issue(alice, name={name!r})
row.__class__.objects.filter(pk=row.pk).update(**{rates!r})
if {hard!r} is not None:
    with transaction.atomic():
        budgets.limit(alice.team, by=None, subject=budgets.Subject(access_key=row), window=Budget.Window.DAY,
                      hard_nanousd={hard!r})
print(key)
"""


def limited(api: Api, name: str, *, hard: int | None = None, **rates: int) -> dict[str, str]:
    """The header of a key of alice's with these limits."""
    key = api.server.run_python(LIMITED.format(name=name, hard=hard, rates=rates)).strip()
    return {"authorization": f"Bearer {key}"}


def said(http, headers: dict[str, str], model: str = "verbatim", **more):
    body = {"model": model, "messages": [{"role": "user", "content": "Hello!"}], **more}
    return http.post(CHAT, json=body, headers=headers)


def test_a_refusal_for_money_names_every_limit_and_sends_nothing(api, http, provider):
    headers = limited(api, "poor", hard=1000)
    before = len(provider.requests)

    answer = said(http, headers)

    refused = assert_refused(answer, 402, "insufficient_credits")
    assert [limit["name"] for limit in refused["error"]["limits"]] == [
        "key poor's budget a day",
        "the balance of Northlight",
    ]
    assert refused["error"]["limits"][0]["who_can_raise"] == ["alice"]
    assert len(provider.requests) == before
    found = receipt(api, answer.headers["x-request-id"])
    assert (found["outcome"], found["status"], found["charged"], found["state"]) == ("refused", 402, 0, None)
    assert found["refusal"]["limits"] == refused["error"]["limits"]


def test_with_little_left_the_reply_is_capped_at_what_it_pays_for(api, http):
    headers = limited(api, "thrifty", hard=500_000)

    answer = said(http, headers)

    assert answer.status_code == 200
    assert 256 <= int(answer.headers["x-emma18-max-tokens"]) < 900
    assert receipt(api, answer.headers["x-request-id"])["held"] == 500_000


def test_a_model_without_a_price_is_blocked_where_a_budget_applies(api, http):
    refused = assert_refused(said(http, limited(api, "careful", hard=10**9), "unpriced"), 403, "model_unpriced")

    assert "alice" in refused["detail"]
    free = said(http, {}, "unpriced")
    assert free.status_code == 200
    assert receipt(api, free.headers["x-request-id"])["price"] == {}


MODEL_BUDGET = """
from accounts import limits, people
from accounts.models import Team, User
alice = people.member(Team.objects.get(name="Northlight"), user=User.objects.get(name="alice"))
print(limits.set_budget(alice, member_id=None, model_id={model!r}, window="day", hard_nanousd={hard},
                        soft_nanousd=None).pk)
"""
LIFT = """
from accounts.models import Budget
Budget.objects.get(pk={pk}).delete()
"""


@pytest.fixture
def model_budget(api):
    """Gives a model a budget of its own, for a test."""
    set_here: list[int] = []

    def limit(model: str, hard: int = 10**9) -> None:
        set_here.append(int(api.server.run_python(MODEL_BUDGET.format(model=model, hard=hard))))

    yield limit
    for pk in set_here:
        api.server.run_python(LIFT.format(pk=pk))


@pytest.mark.parametrize("stream", [False, True])
def test_a_model_without_a_price_is_not_gone_on_to_where_its_own_budget_applies(http, model_budget, stream):
    model_budget("unpriced")

    direct = assert_refused(said(http, {}, "unpriced", stream=stream), 403, "model_unpriced")
    refused = assert_refused(said(http, {}, "refuse-500", models=["unpriced"], stream=stream), 502)
    answered = said(http, {}, "refuse-500", models=["unpriced", "verbatim"], stream=stream)

    assert "what unpriced costs" in direct["detail"]
    assert [(each["model"], each["code"], each["asked"]) for each in refused["error"]["attempts"]] == [
        ("refuse-500", "provider_unavailable", True),
        ("unpriced", "model_unpriced", False),
    ]
    assert answered.status_code == 200 and '"model":"verbatim"' in answered.text.replace(": ", ":")


ALIAS = """
from accounts import people
from accounts.models import Team, User
from catalog import curation
alice = people.member(Team.objects.get(name="Northlight"), user=User.objects.get(name="alice"))
curation.{what}
"""


def test_a_budget_that_is_set_by_an_alias_counts_for_every_name_of_the_model(api, http, model_budget):
    api.server.run_python(ALIAS.format(what="add_alias(alice, 'many', 'team/writer')"))
    try:
        model_budget("team/writer", hard=0)

        for name in ("team/writer", "many"):
            refused = assert_refused(said(http, {}, name), 402, "insufficient_credits")
            assert refused["error"]["limits"][0]["name"] == "model many's budget a day"
    finally:
        api.server.run_python(ALIAS.format(what="remove_alias(alice, 'team/writer')"))


def test_a_refusal_for_a_missing_price_names_the_model_that_has_none(api, http):
    refused = said(http, limited(api, "watchful", hard=10**9), "verbatim", models=["unpriced"])

    body = assert_refused(refused, 403, "model_unpriced")
    assert body["detail"].startswith("Nobody has said what unpriced costs")
    assert (body["error"]["param"], body["error"]["model"]) == ("models", "unpriced")


def test_the_budget_of_a_model_is_no_reason_against_another_without_a_price(http, model_budget):
    model_budget("refuse-500")

    assert said(http, {}, "refuse-500", models=["unpriced"]).json()["model"] == "unpriced"


def test_requests_a_minute_are_counted_and_the_refusal_says_when_to_come_back(api, http):
    headers = limited(api, "slow", requests_per_minute=2)

    answers = [said(http, headers) for _ in range(6)]  # of which two minutes may see some

    refused = assert_refused(next(answer for answer in answers if answer.status_code == 429), 429, "rate_limited")
    assert refused["error"]["limit_source"] == "access_key"
    assert refused["error"]["limits"][0]["unit"] == "requests"
    assert 1 <= int(next(a for a in answers if a.status_code == 429).headers["retry-after"]) <= 60


def test_tokens_a_minute_count_what_was_used(api, http, provider):
    model = provider.script("busy", counts={"prompt_tokens": 5000, "completion_tokens": 5000})
    headers = limited(api, "wordy", tokens_per_minute=9000)

    answers = [said(http, headers, model) for _ in range(3)]

    assert 429 in [answer.status_code for answer in answers]
    provider.script("busy")


def test_requests_at_once_are_counted(api, http):
    headers = limited(api, "single", concurrent_requests=1)
    body = {"model": "hang-mid-stream", "messages": [{"role": "user", "content": "Hello!"}], "stream": True}

    with http.stream("POST", CHAT, json=body, headers=headers) as running:
        chunks = running.iter_raw()  # kept: the connection is closed with it
        next(chunks)
        refused = said(http, headers)

    assert assert_refused(refused, 429, "rate_limited")["error"]["limits"][0]["unit"] == "at_once"


def test_who_cuts_later_pays_more_and_whoever_saw_a_byte_pays(api, http, provider):
    model = provider.script("asks-no-usage", usage="never", text="word " * 70, delay_s=0.03)
    body = {"model": model, "messages": [{"role": "user", "content": "Hello!"}], "stream": True}
    cuts: list[str] = []
    for chunks in (1, 3, 8, 20, 50, 10**6):
        with http.stream("POST", CHAT, json=body) as running:
            cuts.append(running.headers["x-request-id"])
            for _, line in zip(range(2 * chunks), running.iter_lines(), strict=False):
                assert line == "" or line.startswith("data: ")
    charged = charges(api, cuts)

    assert charged[0] > 0
    assert charged == sorted(charged)
    assert charged[-1] > charged[0]


def test_what_a_stream_has_delivered_is_written_down_while_it_runs(api, http):
    """For the reaper, should this process die."""
    body = {"model": "hang-mid-stream", "messages": [{"role": "user", "content": "Hello!"}], "stream": True}
    with http.stream("POST", CHAT, json=body) as running:
        chunks = running.iter_raw()
        next(chunks)
        hold = json.loads(api.server.run_python(DELIVERED.format(request_id=running.headers["x-request-id"])))

    assert hold["state"] == "open" and 0 < hold["delivered_nanousd"] < hold["amount_nanousd"]


DELIVERED = """
import json, time
from accounts.models import Hold
holds = Hold.objects.filter(request_id="{request_id}").values("state", "delivered_nanousd", "amount_nanousd")
deadline = time.monotonic() + 4  # before what is renewed regularly
while not (hold := holds.get())["delivered_nanousd"] and time.monotonic() < deadline:
    time.sleep(0.05)
print(json.dumps(hold))
"""


def charges(api: Api, request_ids: list[str]) -> list[int]:
    """What these requests were charged, once all of them have ended."""
    code = f"""
import json, time
from accounts.models import Receipt
ids = {request_ids!r}
deadline = time.monotonic() + 20
while Receipt.objects.filter(request_id__in=ids).count() < len(ids) and time.monotonic() < deadline:
    time.sleep(0.05)
found = dict(Receipt.objects.filter(request_id__in=ids).values_list("request_id", "charged_nanousd"))
print(json.dumps([found[each] for each in ids]))
"""
    return json.loads(api.server.run_python(code))


def test_the_ledger_of_all_these_holds(api):
    assert "The ledger holds" in api.server.manage("ledgercheck")
