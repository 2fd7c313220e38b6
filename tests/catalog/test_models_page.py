"""The Models page: who sees which models and why not, search and facets, order, and what it may weigh."""

import gzip
import html
import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import keys, vault
from accounts.ids import new_id
from accounts.models import Provider, Receipt
from catalog import breaker, curation, experience, lines, routing, sync
from catalog.breaker import Harm
from catalog.known import catalog
from catalog.models import Cause, OfferHealth, ProviderHealth
from catalog.routing import Note
from tests.catalog.test_sync import listed
from tests.conftest import signed_in
from tests.receipts import finished, fund

HTMX = {"HX-Request": "true", "HX-Target": "div#models-found"}


@pytest.fixture
def lab(alice) -> Provider:
    fund(alice)
    lab = vault.store(
        alice.team, kind=Provider.Kind.OPENAI_COMPATIBLE, name="Lab", base_url="https://lab.example.org", api_key=""
    )
    sync.apply(lab, [listed("kimi-k2.6"), listed("GLM5.1"), listed("plain/small")])
    return lab


def found(person, query: str = "", **headers: str) -> list[str]:
    return [line.model_id for line in signed_in(person).get(f"/models/?{query}").context["found"].lines]


def state(person, model_id: str, query: str = "") -> str:
    page = signed_in(person).get(f"/models/?q={model_id}&{query}")
    return next(line.state for line in page.context["found"].lines if line.model_id == model_id)


def leave_alone(provider: Provider, model_id: str, cause: Cause, *, minutes_ago: float = 0) -> None:
    offer = provider.offers.get(model__model_id=model_id)
    notes = [Note(OfferHealth, offer.pk, Harm(cause, "It answered 503."))] * breaker.LEAST_FAILURES
    routing.write(notes, now=timezone.now() - timedelta(minutes=minutes_ago))


def test_what_can_be_called_stands_first_and_the_rest_says_why_not(alice, lab):
    page = signed_in(alice).get("/models/")

    first = [line.model_id for line in page.context["found"].lines][:4]
    assert first == ["embedded/smollm2-135m-instruct", "moonshotai/kimi-k2.6", "plain/small", "z-ai/glm-5.1"]
    assert "No provider" in page.text
    assert page.context["total"] == len(catalog()) + 2


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("q=kimi+k2.6", ["moonshotai/kimi-k2.6"]),
        ("q=GLM5.1", ["z-ai/glm-5.1"]),
        ("provider=Lab&sort=-model", ["z-ai/glm-5.1", "plain/small", "moonshotai/kimi-k2.6"]),
        ("provider=Lab&feature=vision", ["moonshotai/kimi-k2.6"]),
        ("provider=Lab&feature=vision&feature=tools", ["moonshotai/kimi-k2.6"]),
        ("provider=Lab&price=unknown", ["plain/small"]),
        ("provider=Lab&provider=Built+in&price=free", ["embedded/smollm2-135m-instruct"]),
        ("provider=Lab&sort=in", ["moonshotai/kimi-k2.6", "z-ai/glm-5.1", "plain/small"]),
        ("provider=Lab&sort=-in", ["z-ai/glm-5.1", "moonshotai/kimi-k2.6", "plain/small"]),
        ("provider=Lab&sort=context", ["moonshotai/kimi-k2.6", "z-ai/glm-5.1", "plain/small"]),
        ("q=no-such-thing", []),
    ],
)
def test_address_says_what_is_found_and_in_which_order(alice, lab, query, expected):
    assert found(alice, query) == expected


@pytest.mark.parametrize(
    "query", ["sort=nonsense", "after=nobody", "feature=x", "as=key-%00", "as=member-9999999999999999999999", "q=%00"]
)
def test_address_that_makes_no_sense_is_answered_all_the_same(alice, query):
    assert signed_in(alice).get(f"/models/?{query}").status_code == 200


def test_facet_counts_what_choosing_it_would_show(alice, lab):
    page = signed_in(alice).get("/models/?provider=Lab&feature=tools")

    for group, values in page.context["found"].facets:
        for value in values:
            if value.is_chosen or group.name in ("provider", "feature"):
                continue
            assert value.count == len(found(alice, f"provider=Lab&feature=tools&{group.name}={value.value}")), value


def test_next_rows_go_on_where_the_page_ended(alice):
    seen, more = [], "?sort=model"
    while more:
        page = signed_in(alice).get(f"/models/{more}")
        seen += [line.model_id for line in page.context["found"].lines]
        more = page.context["found"].more

    assert seen == sorted(seen)
    assert len(seen) == page.context["total"] == len(set(seen))


def test_typing_swaps_what_is_found_alone(alice, lab):
    fragment = signed_in(alice).get("/models/?q=kimi", headers=HTMX)

    assert "<html" not in fragment.text
    assert "moonshotai/kimi-k2.6" in fragment.text
    assert 'id="compare-dock"' in fragment.text


def test_name_from_a_provider_is_shown_as_text(alice, lab):
    sync.apply(lab, [listed("<script>alert(1)</script>/x", name="<img src=x>")])

    page = signed_in(alice).get("/models/?q=script")

    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text


def test_each_reader_sees_why_they_may_not_call(alice, bob, vera, lab):
    assert state(bob, "moonshotai/kimi-k2.6") == "available"
    assert state(vera, "moonshotai/kimi-k2.6") == "viewer"
    curation.set_offer(alice, provider_id=lab.public_id, model_id="z-ai/glm-5.1", priority=1, is_on=False)
    leave_alone(lab, "moonshotai/kimi-k2.6", Cause.RATE_LIMITED)

    assert state(bob, "z-ai/glm-5.1") == "off"
    assert state(bob, "moonshotai/kimi-k2.6") == "failing"
    assert state(bob, "plain/small") == "available"


@pytest.mark.parametrize("cause", [Cause.KEY_REFUSED, Cause.OUT_OF_FUNDS])
def test_key_that_is_refused_or_out_of_funds_fails_all_its_models_until_it_is_answered(alice, lab, cause):
    note = Note(ProviderHealth, lab.pk, Harm(cause, "It answered 401."))
    routing.write([note], now=timezone.now() - timedelta(minutes=30))

    assert state(alice, "plain/small") == state(alice, "z-ai/glm-5.1") == "failing"
    until = ProviderHealth.objects.get().until
    routing.write([Note(ProviderHealth, lab.pk, seen_until=until)])
    assert state(alice, "plain/small") == "available"


def test_pause_that_is_over_and_a_sentence_of_yesterday_are_no_failure(alice, lab):
    leave_alone(lab, "plain/small", Cause.RATE_LIMITED, minutes_ago=30)
    vault.note_failure(lab, "It was down.")

    assert state(alice, "plain/small") == "available"


def test_model_is_available_as_long_as_one_way_is(alice, lab):
    spare = vault.store(
        alice.team, kind=Provider.Kind.OPENAI_COMPATIBLE, name="Spare", base_url="https://spare.example.org", api_key=""
    )
    sync.apply(spare, [listed("plain/small")])
    leave_alone(lab, "plain/small", Cause.FAILING)
    assert state(alice, "plain/small") == "available"

    vault.pause(spare, by=alice)
    assert state(alice, "plain/small") == "failing"

    vault.pause(lab, by=alice)
    assert state(alice, "plain/small") == "paused"
    assert "Provider paused" in signed_in(alice).get("/models/?q=plain/small").text
    vault.resume(spare, by=alice)
    assert state(alice, "plain/small") == "available"


def test_providers_stand_in_the_order_they_are_tried(alice, lab):
    spare = vault.store(
        alice.team, kind=Provider.Kind.OPENAI_COMPATIBLE, name="Spare", base_url="https://spare.example.org", api_key=""
    )
    sync.apply(spare, [listed("plain/small")])
    assert lines.named(alice, "plain/small").providers == ("Lab", "Spare")

    vault.move(spare, place=1, by=alice)

    assert lines.named(alice, "plain/small").providers == ("Spare", "Lab")


def test_without_credit_only_what_is_free_can_be_called(alice, bob):
    assert state(bob, "embedded/smollm2-135m-instruct") == "available"
    spare = vault.store(
        alice.team, kind=Provider.Kind.OPENAI_COMPATIBLE, name="Lab", base_url="https://lab.example.org", api_key=""
    )
    sync.apply(spare, [listed("kimi-k2.6")])

    assert state(bob, "moonshotai/kimi-k2.6") == "spent"


def test_hidden_model_is_seen_by_admins_alone(alice, bob, lab):
    curation.hide(alice, "plain/small", is_hidden=True)

    assert state(alice, "plain/small") == "hidden"
    assert found(bob, "q=plain/small") == []


def test_admin_looks_with_the_eyes_of_a_member_or_a_key_and_others_cannot(alice, bob, vera, lab):
    key, _ = keys.issue(alice, name="narrow")
    key.allowed_models = ["GLM5.1"]
    key.save()

    assert state(alice, "moonshotai/kimi-k2.6", f"as=member-{vera.user.pk}") == "viewer"
    assert state(alice, "moonshotai/kimi-k2.6", f"as=key-{key.public_id}") == "key"
    assert state(alice, "z-ai/glm-5.1", f"as=key-{key.public_id}") == "available"
    assert state(bob, "moonshotai/kimi-k2.6", f"as=member-{vera.user.pk}") == "available"
    assert "View as" not in signed_in(bob).get("/models/").text


def test_own_requests_tell_how_a_model_does(alice, lab):
    for outcome in [Receipt.Outcome.DONE] * 9 + [Receipt.Outcome.FAILED]:
        finished(alice, model_id="moonshotai/kimi-k2.6", outcome=outcome, request_id=new_id("req"))

    line = lines.named(alice, "moonshotai/kimi-k2.6")

    assert (line.experience.calls, line.experience.success, line.experience.tone) == (10, 90.0, "bad")
    assert line.experience.first_token_ms == 810
    assert line.experience.dip
    assert lines.named(alice, "z-ai/glm-5.1").experience is None


def test_requests_of_the_day_before_do_not_count(alice, lab):
    receipt = finished(alice, model_id="moonshotai/kimi-k2.6", request_id=new_id("req"), days_ago=2)

    assert experience.of(alice.team) == {}
    assert receipt.model_id == "moonshotai/kimi-k2.6"


def test_no_more_than_four_are_compared_and_the_best_figures_are_named(alice, lab):
    five = "with=moonshotai/kimi-k2.6&with=z-ai/glm-5.1&with=plain/small&with=nobody/knows&with=a/b"

    page = signed_in(alice).get(f"/models/compare/?{five}")

    table = page.context["table"]
    assert [line.model_id for line in table.lines] == ["moonshotai/kimi-k2.6", "z-ai/glm-5.1", "plain/small"]
    assert table.cheapest_in == {"moonshotai/kimi-k2.6"}
    assert "Nothing to compare yet" in signed_in(alice).get("/models/compare/").text


def test_costs_the_same_queries_however_many_models_are_offered(alice, lab):
    browser = signed_in(alice)
    browser.get("/models/")

    def queries() -> int:
        experience.forget()
        with CaptureQueriesContext(connection) as made:
            browser.get("/models/")
        return len(made)

    few = queries()
    sync.apply(lab, [listed(model.id) for model in catalog()])

    assert queries() == few <= 15


def test_350_models_weigh_less_than_40_kb(alice, lab):
    sync.apply(lab, [listed(model.id) for model in catalog()])
    browser = signed_in(alice)

    page = browser.get("/models/")
    shown, weight, more = len(page.context["found"].lines), len(gzip.compress(page.content)), page.context["found"].more
    while shown < 350:
        rows = browser.get("/models/" + more, headers=HTMX)
        shown += rows.text.count('scope="row"')
        weight += len(gzip.compress(rows.content))
        more = html.unescape(re.findall('hx-get="([^"]+)"', rows.text)[0])

    assert weight < 40_000
