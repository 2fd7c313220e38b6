"""Video models among the others: in the catalog, in GET /api/v1/models and in the limits of a key."""

import pytest

from accounts import vault
from accounts.models import AccessKey
from accounts.refusals import BadRequest
from catalog import curation, implied, lines, pending, sync
from catalog import names as catalog_names
from catalog import offers as catalog_offers
from catalog.models import Model, Offer
from tests.conftest import signed_in
from tests.video_provider import KEY
from tests.videos.conftest import T2V, Program
from tests.videos.test_create_page import FORM
from videos import offers
from videos.modes import SEEDANCE, SEEDANCE_FAST, STORYBOARD

MODES = "/api/v1/video/seedance/modes"
MODEL, FAST = "bytedance/seedance-2.0", "bytedance/seedance-2.0-fast"


def test_they_are_available_where_a_provider_makes_videos(funded, connected):
    page = signed_in(funded).get(f"/models/{SEEDANCE}")

    assert page.context["line"].state == "available"
    assert [(way.provider, way.upstream_id) for way in page.context["dossier"].ways] == [("Ark", SEEDANCE)]
    assert "By resolution" in page.text and "Nobody knows" not in page.text
    assert 'href="/videos/new/"' in page.text


def test_they_cost_credit_by_the_catalog(alice, provider):
    sync.connect(alice.team, kind="ark", name="Ark", base_url=provider.base_url, api_key=KEY)

    assert lines.named(alice, SEEDANCE).state == "spent"


def test_api_lists_them_under_each_of_their_names(program, emma18):
    found = {each["id"]: each for each in program.client.get("/api/v1/models?type=video").json()["data"]}

    assert {MODEL, SEEDANCE, FAST, SEEDANCE_FAST} <= found.keys()
    assert found[SEEDANCE]["alias_of"] == MODEL
    assert program.client.get(f"/api/v1/models/{SEEDANCE}").json()["type"] == "video"
    assert MODEL not in [each["id"] for each in program.client.get("/api/v1/models").json()["data"]]


def test_key_is_limited_to_one_of_them_on_the_page(funded, connected):
    page = signed_in(funded)
    asked = {"name": "studio", "may_call": "some", "allowed_models": [FAST]}

    assert FAST in page.get("/keys/?new").text
    shown = page.post("/keys/create/", asked)

    program = Program(shown.context["fresh_key"])
    assert AccessKey.objects.get(name="studio").allowed_models == [FAST]
    assert program.create({**T2V, "model": SEEDANCE_FAST}).status_code == 200
    refused = program.create(T2V)
    assert refused.status_code == 403 and "may call" in refused.json()["error"]["message"]


def test_they_do_not_chat(funded, connected):
    with pytest.raises(BadRequest, match="makes videos and does not chat. Ask for one with POST"):
        catalog_offers.candidates(funded, SEEDANCE)

    assert MODEL not in signed_in(funded).get("/chat/").text


def test_a_provider_that_is_paused_and_an_offer_that_is_off_make_none(program, funded, connected):
    vault.pause(connected, by=funded)
    assert program.create().status_code == 403
    assert lines.named(funded, SEEDANCE).state == "paused"

    vault.resume(connected, by=funded)
    Offer.objects.filter(model__model_id=MODEL).update(is_on=False)

    assert program.create().status_code == 403
    assert [way.provider.name for way in offers.ways(funded.team, SEEDANCE_FAST)] == ["Ark"]


def test_a_hidden_one_is_neither_offered_nor_taken(program, funded, connected):
    curation.hide(funded, MODEL, is_hidden=True)

    refused = program.create()
    page = signed_in(funded).get("/videos/new/").text
    available = {model["id"]: model["available"] for model in program.client.get(MODES).json()["models"]}

    assert refused.status_code == 403 and refused.json()["error"]["code"] == "model_hidden"
    assert refused.json()["error"]["message"] == catalog_names.refusal(funded.team, MODEL).detail
    assert SEEDANCE not in page and SEEDANCE_FAST in page
    assert (available[SEEDANCE], available[SEEDANCE_FAST]) == (False, True)
    assert not offers.hidden(funded.team, SEEDANCE_FAST)


def test_form_that_names_a_hidden_one_says_who_hid_it(funded, connected):
    Model.objects.create(team=funded.team, model_id=STORYBOARD, is_hidden=True)

    answer = signed_in(funded).post("/videos/new/", {**FORM, "model": STORYBOARD})

    assert answer.status_code == 403 and f"has taken {STORYBOARD} out of the catalog" in answer.text


def test_a_deprecated_one_says_so_when_it_is_asked_for(program, funded, connected):
    assert "Deprecation" not in program.create().headers
    curation.deprecate(funded, MODEL, is_deprecated=True, replaced_by=FAST)

    headers = program.create().headers

    assert headers["Deprecation"] == f"@{int(funded.team.models.get(model_id=MODEL).deprecated_at.timestamp())}"
    assert headers["x-emma18-replaced-by"] == FAST


@pytest.mark.parametrize(
    ("kind", "host", "asked_as"),
    [
        ("ark", "ark.ap-southeast.bytepluses.com", SEEDANCE.replace("doubao", "dreamina")),
        ("ark", "ark.cn-beijing.volces.com", SEEDANCE),
        ("emma18", "emma18.com", SEEDANCE),
        ("openai-compatible", "api.openai.com", None),
    ],
)
def test_each_site_is_asked_for_them_by_its_own_ids(kind, host, asked_as):
    found = implied.models(kind, f"https://{host}/api/v3")

    assert [model.id for model in found][:1] == ([asked_as] if asked_as else [])
    assert list(sync.named_here(found)) == ([MODEL, FAST] if asked_as else [])


def test_one_that_was_connected_before_gets_them_at_the_next_look_and_none_is_ever_gone(funded, connected):
    Offer.objects.all().delete()

    pending.look_by_itself(connected)

    assert connected.offers.count() == 2
    assert sync.difference(connected).is_nothing
