"""What is charged where a provider counts in its own way, and where an answer does not come to its end."""

import json

import httpx
import pytest

from chat import charging, requests
from tests.contract.conftest import Api
from tests.contract.shape import assert_refused
from tests.contract.test_money import CHAT, COMPLETION_PICOUSD, PROMPT_PICOUSD, ask, charges, limited, receipt, said

COUNTS = {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500}
COUNTED = (1000 * PROMPT_PICOUSD + 500 * COMPLETION_PICOUSD) // 1000
CACHED_PICOUSD = 10_000


@pytest.mark.parametrize(("total", "completion"), [(412, 402), (12, 2), (None, 2)])
def test_reasoning_that_is_counted_apart_is_charged_too(api, http, provider, total, completion):
    counts = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": total}
    model = provider.script("hesitant", counts={**counts, "completion_tokens_details": {"reasoning_tokens": 400}})

    found = receipt(api, ask(http, model).headers["x-request-id"])

    assert (found["basis"], found["in"], found["out"]) == ("reported", 10, completion)
    provider.script("hesitant")


def test_what_a_provider_remembers_is_charged_at_the_price_it_lists_for_that(api, http, provider):
    details = {"prompt_tokens_details": {"cached_tokens": 900}}
    model = provider.script("remembers", counts={**COUNTS, **details})

    found = receipt(api, ask(http, model).headers["x-request-id"])

    due = 100 * PROMPT_PICOUSD + 900 * CACHED_PICOUSD + 500 * COMPLETION_PICOUSD
    assert found["charged"] == due // 1000
    assert found["price"]["cached_picousd"] == CACHED_PICOUSD


def test_a_model_whose_requests_cost_something_beside_their_tokens_has_no_price(api, http):
    assert_refused(said(http, limited(api, "exact", hard=10**9), "by-the-request"), 403, "model_unpriced")


@pytest.mark.parametrize("counts", [COUNTS, {**COUNTS, "completion_tokens": 0}])
def test_a_stream_that_breaks_off_is_charged_no_less_than_its_provider_counted(api, http, provider, counts):
    model = provider.script("busy", usage="each", fault="cut-mid-stream", counts=counts, text="word " * 9, after=9)

    found = receipt(api, ask(http, model, stream=True).headers["x-request-id"])

    assert found["outcome"] == "interrupted"
    if counts is COUNTS:
        assert (found["basis"], found["charged"]) == ("reported", COUNTED)
    else:  # more has come since
        assert (found["basis"], found["in"]) == ("estimated", 1000) and found["out"] > 0
    provider.script("busy")


def test_who_leaves_when_all_was_counted_is_charged_what_was_counted(api, http, provider):
    model = provider.script("busy", fault="hang-after-finish", counts=COUNTS)
    body = {"model": model, "messages": [{"role": "user", "content": "Hello!"}], "stream": True}
    body |= {"stream_options": {"include_usage": True}}
    with http.stream("POST", CHAT, json=body) as running:
        lines = running.iter_lines()
        while '"prompt_tokens"' not in next(lines):
            pass
        left = running.headers["x-request-id"]
    [charged] = charges(api, [left])

    assert charged == COUNTED
    assert receipt(api, left)["basis"] == "reported"
    provider.script("busy")


def test_a_count_that_says_nothing_does_not_take_the_place_of_one_that_does(api, http, provider):
    model = provider.script("busy", usage="each", counts=COUNTS, fault="empty-usage-last")

    found = receipt(api, ask(http, model, stream=True).headers["x-request-id"])

    assert (found["basis"], found["charged"]) == ("reported", COUNTED)
    provider.script("busy")


def test_who_leaves_before_the_first_byte_pays_nothing_but_the_call_stands_in_the_receipt(api, http):
    with pytest.raises(httpx.ReadTimeout):
        http.post(
            CHAT,
            json={"model": "hang-before-first-byte", "messages": [{"role": "user", "content": "Hello!"}]},
            timeout=1,
        )
    found = receipt(api, api.server.run_python(LAST).strip())

    assert (found["outcome"], found["charged"], found["state"]) == ("stopped", 0, "released")
    assert found["attempts"] == [["stopped", 0]]
    assert found["provider"] == "Loopback"


LAST = """
import time
from accounts.models import Receipt
deadline = time.monotonic() + 10
while not (found := Receipt.objects.filter(model_id="hang-before-first-byte", outcome="stopped").last()):
    assert time.monotonic() < deadline
    time.sleep(0.05)
print(found.request_id)
"""


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_nested_without_end_is_paid_for_all_the_same(api, http, provider, stream):
    deep: list = []
    for _ in range(800):
        deep = [deep]
    model = provider.script("busy", extra={"x": deep}, counts=COUNTS)

    answer = ask(http, model, stream=stream)

    assert receipt(api, answer.headers["x-request-id"])["charged"] == COUNTED
    provider.script("busy")


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_callers_cap_above_what_the_model_writes_is_lowered_to_what_was_held_for(api, http, provider, name):
    answer = ask(http, "verbatim", **{name: 20_000})

    sent = next(request.json for request in reversed(provider.requests) if request.json["model"] == "verbatim")
    assert sent[name] == 8192 and answer.headers["x-emma18-max-tokens"] == "8192"
    assert receipt(api, answer.headers["x-request-id"])["held"] >= 8192 * COMPLETION_PICOUSD // 1000


def test_where_nothing_is_at_stake_a_callers_cap_stays_as_it_is(http, provider):
    answer = ask(http, "free", max_tokens=20_000)

    sent = next(request.json for request in reversed(provider.requests) if request.json["model"] == "free")
    assert sent["max_tokens"] == 20_000 and "x-emma18-max-tokens" not in answer.headers


def test_a_long_prompt_leaves_room_for_a_reply():
    text = "word " * 26_000
    request = requests.parse(json.dumps({"model": "m", "messages": [{"role": "user", "content": text}]}).encode())
    price = charging.TokenPrice(1, 1, None, "listed", None)

    assert charging.bound(request, [price], context=131_072, model_cap=None).output_cap == 16_384


@pytest.mark.parametrize(
    "part",
    [
        {"type": "video_url", "video_url": {"url": "https://example.com/film.mp4"}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "file", "file": {"file_data": "https://example.com/book.pdf"}},
    ],
)
def test_what_is_only_referred_to_is_held_for_as_long_as_the_model_reads(api, http, provider, part):
    content = [{"type": "text", "text": "What is it?"}, part]
    answer = http.post(CHAT, json={"model": "verbatim", "messages": [{"role": "user", "content": content}]})

    assert receipt(api, answer.headers["x-request-id"])["held"] >= 8192 * PROMPT_PICOUSD // 1000


def test_what_is_referred_to_is_refused_where_nobody_knows_how_much_a_model_reads(http):
    part = {"type": "video_url", "video_url": {"url": "https://example.com/film.mp4"}}
    answer = http.post(CHAT, json={"model": "remembers", "messages": [{"role": "user", "content": [part]}]})

    assert assert_refused(answer, 400)["error"]["param"] == "messages"


def test_data_in_the_request_is_counted_by_its_length(api, http):
    part = {"type": "file", "file": {"file_data": "data:application/pdf;base64," + "QUJD" * 10}}
    answer = http.post(
        CHAT, json={"model": "verbatim", "max_tokens": 1, "messages": [{"role": "user", "content": [part]}]}
    )

    assert receipt(api, answer.headers["x-request-id"])["held"] < 1000 * PROMPT_PICOUSD // 1000


def test_a_tool_that_the_provider_runs_is_refused_at_its_place(http):
    function = {"type": "function", "function": {"name": "look_up"}}

    answer = ask(http, "verbatim", tools=[function, {"type": "web_search"}])
    assert assert_refused(answer, 400)["error"]["param"] == "tools[1]"
    assert ask(http, "verbatim", tools=[function]).status_code == 200


def test_the_ledger_of_all_these_holds(api: Api):
    assert "The ledger holds" in api.server.manage("ledgercheck")
