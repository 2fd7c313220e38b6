"""A model's page: what it tells, and what admins say of the model there."""

from datetime import date, timedelta

import pytest
from django.utils import timezone

from accounts import vault
from accounts.models import AuditEntry, Provider
from catalog import price_chart, prices, routing, sync
from catalog.breaker import Harm
from catalog.models import Cause, Offer, OfferHealth, Price, ProviderHealth
from catalog.routing import Note
from tests.catalog.test_sync import listed
from tests.conftest import signed_in
from tests.receipts import fund

KIMI = "moonshotai/kimi-k2.6"
NO_PRICE = {"prompt": "", "completion": "", "cached": ""}


@pytest.fixture
def lab(alice) -> Provider:
    fund(alice)
    lab = vault.store(
        alice.team, kind=Provider.Kind.OPENAI_COMPATIBLE, name="Lab", base_url="https://lab.example.org", api_key=""
    )
    sync.apply(lab, [listed("kimi-k2.6"), listed("plain/small")])
    return lab


@pytest.mark.parametrize("name", [KIMI, "moonshotai/kimi-k2.6/"])
def test_page_tells_facts_offers_price_and_how_to_call_it(alice, lab, name):
    page = signed_in(alice).get(f"/models/{name}")

    text = " ".join(page.text.split())
    assert "262,144 tokens" in text and "Available to you" in text
    assert "Lab" in text and "as kimi-k2.6" in text
    assert "catalog: genai-prices, Moonshot AI" in text
    assert "<mark>http://testserver/api/v1</mark>/chat/completions" in text
    assert "/chat/?model=moonshotai/kimi-k2.6" in text


def test_offers_are_marked_in_the_words_of_the_providers_page(alice, lab):
    spare, third, last = (
        vault.store(
            alice.team, kind=Provider.Kind.OPENAI_COMPATIBLE, name=name, base_url="https://p.example.org", api_key=""
        )
        for name in ("Spare", "Third", "Last")
    )
    for provider in (spare, third, last):
        sync.apply(provider, [listed("kimi-k2.6")])
    vault.pause(lab, by=alice)
    routing.write(
        [
            Note(ProviderHealth, spare.pk, Harm(Cause.KEY_REFUSED, "It refused the key.")),
            Note(OfferHealth, third.offers.get().pk, Harm(Cause.RATE_LIMITED, "It answered 429.", cools_s=300)),
        ]
    )

    page = signed_in(alice).get(f"/models/{KIMI}")

    ways = {way.provider: (way.place, way.state_word) for way in page.context["dossier"].ways}
    assert ways == {
        "Lab": (None, "Paused by alice"),
        "Spare": (1, "Key refused"),
        "Third": (2, "Cooling down, 5 min"),
        "Last": (3, "Healthy"),
    }
    providers = signed_in(alice).get("/providers/").text
    assert all(word in page.text and word in providers for _, word in ways.values())


def test_short_name_leads_to_the_page_of_its_model(alice):
    page = signed_in(alice).get("/models/GLM5.1")

    assert page.context["line"].model_id == "z-ai/glm-5.1"
    assert "It can be had from EMMA18, OpenRouter" in " ".join(page.text.split())


def test_video_model_tells_its_prices_by_resolution(alice):
    page = signed_in(alice).get("/models/doubao-seedance-2-0-260128")

    assert "1080p, with a video sent" in page.text
    assert all(price in page.text for price in ("$7.00", "$7.70", "$4.30", "$4.70"))


def test_unknown_model_has_no_page(alice):
    assert signed_in(alice).get("/models/nobody/knows").status_code == 404


def test_history_tells_each_price_with_its_source_and_change(alice, lab):
    sync.apply(lab, [listed("kimi-k2.6", prompt_price="0.00000076", completion_price="0.000005")])
    prices.enter(alice, provider=lab, model_id=KIMI, prompt="0.76", completion="4")

    page = signed_in(alice).get(f"/models/{KIMI}")

    asked = [(each.source, each.prompt_change, each.completion_change) for each in page.context["dossier"].asked]
    assert asked == [
        ("entered by alice", 0, -20),
        ("listed by Lab", -20, 25),
        ("catalog: genai-prices, Moonshot AI", None, None),
    ]


def test_chart_is_drawn_where_a_price_has_changed_and_steps_on_its_day(alice, lab):
    assert signed_in(alice).get(f"/models/{KIMI}").context["dossier"].chart is None
    today = timezone.now().date()
    Price.objects.filter(model_id=KIMI).update(as_of=today - timedelta(days=100), completion_picousd=4_000_000)
    sync.apply(lab, [listed("kimi-k2.6", prompt_price="0.00000076", completion_price="0.000003")])
    Price.objects.filter(model_id=KIMI, completion_picousd=3_000_000).update(as_of=today - timedelta(days=25))

    page = signed_in(alice).get(f"/models/{KIMI}")

    chart = page.context["dossier"].chart
    assert chart.completion.path == "M0.0 0.0H750.0V20.0H1000"
    assert chart.completion.dots == "M750.0 20.0h0"
    assert (chart.completion.picousd, chart.prompt.picousd, chart.scale) == (
        3_000_000,
        760_000,
        [4_000_000, 2_000_000, 0],
    )
    assert "What Lab asks" in page.text


@pytest.mark.parametrize("days_ago", [[0], [0, 0], [-3, 0]])
def test_no_chart_is_drawn_of_a_single_day(days_ago):
    today = date(2026, 11, 26)
    points = [price_chart.Point(today - timedelta(days=days), 1, 2) for days in days_ago]

    assert price_chart.drawn(points, today=today) is None


def test_admin_hides_and_shows_a_model(alice, bob, lab):
    browser = signed_in(alice)

    browser.post("/models/hide/", {"model": KIMI, "hidden": "yes"})

    assert signed_in(bob).get(f"/models/{KIMI}").status_code == 404
    assert "Hidden: nobody can call it" in browser.get(f"/models/{KIMI}").text
    browser.post("/models/hide/", {"model": KIMI, "hidden": "no"})
    assert signed_in(bob).get(f"/models/{KIMI}").status_code == 200
    assert AuditEntry.objects.filter(action__in=["model hidden", "model shown"]).count() == 2


def test_admin_adds_an_alias_and_takes_it_back(alice, lab):
    browser = signed_in(alice)

    browser.post("/models/aliases/add/", {"model": KIMI, "alias": "team/writer"})

    assert "Also called" in browser.get("/models/team/writer").text
    browser.post("/models/aliases/remove/", {"model": KIMI, "alias": "team/writer"})
    assert browser.get("/models/team/writer").status_code == 404


def test_wrong_alias_is_told_at_its_field_and_kept(alice, lab):
    page = signed_in(alice).post("/models/aliases/add/", {"model": KIMI, "alias": "two words"})

    assert page.status_code == 422
    assert "An alias is up to 80 letters" in page.text
    assert 'value="two words"' in page.text


def test_deprecated_model_leads_to_its_replacement(alice, lab):
    form = {"model": KIMI, "deprecated": "yes", "replaced_by": "plain/small"}

    page = signed_in(alice).post("/models/deprecate/", form, follow=True)

    assert 'href="/models/plain/small"' in page.text
    wrong = signed_in(alice).post("/models/deprecate/", form | {"replaced_by": "nobody"})
    assert wrong.status_code == 422
    assert "There is no model" in wrong.text


def test_admin_puts_an_offer_in_its_place_and_enters_its_price(alice, lab):
    form = {"model": KIMI, "provider": lab.public_id, "priority": "3", "on": "yes"}

    signed_in(alice).post("/models/offer/", form | {"prompt": "0.5", "completion": "2", "cached": ""})

    offer = Offer.objects.select_related("price").get(model__model_id=KIMI)
    assert (offer.priority, offer.is_on, offer.price.prompt_picousd) == (3, True, 500_000)
    assert offer.price.source == "entered by alice"


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"priority": "first"}, "as a number; the lowest is tried first"),
        ({"priority": "1000"}, "A place is a number from 0"),
        ({"prompt": "1"}, "A price needs both what goes in and what comes out"),
        ({"prompt": "-1", "completion": "2"}, "A price must be from $0"),
        ({"prompt": "cheap", "completion": "2"}, "Give a price in dollars"),
    ],
)
def test_offer_that_makes_no_sense_is_told_and_nothing_is_changed(alice, lab, typed, sentence):
    before = Offer.objects.values().get(model__model_id=KIMI)
    form = {"model": KIMI, "provider": lab.public_id, "priority": "3", **NO_PRICE}

    page = signed_in(alice).post("/models/offer/", form | typed)

    assert page.status_code == 422
    assert sentence in page.text
    assert Offer.objects.values().get(model__model_id=KIMI) == before


def test_admin_has_a_video_model_drawn_after_all_others_make_it(alice, lab):
    page = signed_in(alice).get("/models/bytedance/seedance-2.0")
    assert "Draw them" in page.text

    signed_in(alice).post("/models/draw/", {"model": "bytedance/seedance-2.0"})

    offer = Offer.objects.get(model__model_id="bytedance/seedance-2.0")
    assert (offer.upstream_id, offer.priority, offer.is_on) == ("embedded/storyboard", 999, True)
    assert "Draw them" not in signed_in(alice).get("/models/bytedance/seedance-2.0").text


@pytest.mark.parametrize("model", [KIMI, "google/veo-3.1-generate-001"])
def test_what_no_video_can_be_asked_of_is_not_drawn(alice, lab, model):
    page = signed_in(alice).post("/models/draw/", {"model": model}, follow=True)

    assert "so there is nothing to draw in its place" in page.text
    assert not Offer.objects.filter(upstream_id="embedded/storyboard").exists()


def test_another_teams_provider_and_models_cannot_be_changed(charlie, lab):
    form = {"model": "plain/small", "provider": lab.public_id, "priority": "3", **NO_PRICE}

    assert signed_in(charlie).post("/models/offer/", form).status_code == 404
    assert signed_in(charlie).post("/models/hide/", {"model": "plain/small", "hidden": "yes"}).status_code == 404


def test_members_see_no_forms(bob, lab):
    page = signed_in(bob).get(f"/models/{KIMI}")

    assert "For admins" not in page.text
    assert "Change the offer" not in page.text
