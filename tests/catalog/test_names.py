"""What a model may be called by, and what is said to who calls one that nobody serves."""

import pytest

from accounts import keys, vault
from accounts.models import AuditEntry, Budget, Provider
from accounts.refusals import BadRequest, Conflict, Forbidden, NotFound
from catalog import curation, offers, sync
from catalog.models import Offer
from tests.catalog.test_sync import listed
from tests.conftest import signed_in


@pytest.fixture
def lab(alice) -> Provider:
    return vault.store(
        alice.team, kind=Provider.Kind.OPENAI_COMPATIBLE, name="Lab", base_url="https://lab.example.org", api_key=""
    )


def asked(caller, name: str) -> list[tuple[str, str]]:
    """The model that answers to a name, and what its providers call it."""
    return [(found.offer.model.model_id, found.offer.upstream_id) for found in offers.candidates(caller, name)]


@pytest.mark.parametrize("at_provider", ["GLM5.1", "z-ai/glm-5.1", "glm-5.1", "zai-org/GLM-5.1"])
@pytest.mark.parametrize("called", ["GLM5.1", "z-ai/glm-5.1", "glm-5.1"])
def test_model_answers_to_all_its_names_whatever_its_provider_calls_it(alice, lab, at_provider, called):
    sync.apply(lab, [listed(at_provider)])

    assert asked(alice, called) == [("z-ai/glm-5.1", at_provider)]


def test_offers_of_one_model_meet_however_their_providers_spell_it(alice, lab):
    spare = vault.store(alice.team, kind=lab.kind, name="Spare", base_url="https://spare.example.org", api_key="")
    sync.apply(lab, [listed("claude-sonnet-4-6")])
    sync.apply(spare, [listed("anthropic/claude-sonnet-4.6")])

    upstream_ids = [upstream_id for _, upstream_id in asked(alice, "anthropic/claude-sonnet-4.6")]
    assert upstream_ids == ["claude-sonnet-4-6", "anthropic/claude-sonnet-4.6"]


def test_two_names_of_a_model_in_one_list_are_two_models(alice, lab):
    sync.apply(lab, [listed("claude-sonnet-4-5-20250929"), listed("claude-sonnet-4-5")])

    assert asked(alice, "anthropic/claude-sonnet-4.5") == [("anthropic/claude-sonnet-4.5", "claude-sonnet-4-5")]
    assert asked(alice, "claude-sonnet-4-5-20250929") == [("claude-sonnet-4-5-20250929", "claude-sonnet-4-5-20250929")]


def test_facts_that_a_provider_does_not_tell_come_from_the_catalog(alice, lab):
    sync.apply(lab, [listed("kimi-k2.6", context_length=1000)])

    model = alice.team.models.get(model_id="moonshotai/kimi-k2.6")
    assert (model.name, model.context_length, model.output_cap) == ("Kimi K2.6", 1000, 262_144)
    assert "Moonshot AI" in model.description
    assert Offer.objects.get(model=model).price.source == "catalog: genai-prices, Moonshot AI"


def test_known_model_that_nobody_offers_is_refused_with_what_to_connect(alice):
    with pytest.raises(Forbidden) as refused:
        offers.candidates(alice, "GLM5.1")

    assert refused.value.code == "model_not_connected"
    assert "An admin can connect EMMA18, OpenRouter or Z.AI under Providers." in refused.value.detail
    assert "EMMA18" in refused.value.facts["providers"]


def test_unknown_model_is_not_found_and_the_nearest_is_named(alice, lab):
    sync.apply(lab, [listed("plain/small")])

    with pytest.raises(NotFound, match="Did you mean plain/small?"):
        offers.candidates(alice, "plain/smal")


def test_hidden_model_cannot_be_called_and_comes_back(alice, lab):
    sync.apply(lab, [listed("plain/small")])
    curation.hide(alice, "plain/small", is_hidden=True)

    with pytest.raises(Forbidden, match="taken plain/small out of the catalog"):
        offers.candidates(alice, "plain/small")
    assert "plain/small" not in [found.model.model_id for found in offers.callable_by(alice)]
    assert curation.hide(alice, "plain/small", is_hidden=False)
    assert asked(alice, "plain/small")


def test_model_whose_offers_are_off_is_told_as_such(alice, lab):
    sync.apply(lab, [listed("plain/small")])
    curation.set_offer(alice, provider_id=lab.public_id, model_id="plain/small", priority=5, is_on=False)

    with pytest.raises(Forbidden, match="switched off at every provider"):
        offers.candidates(alice, "plain/small")


def test_hiding_is_kept_while_nobody_offers_the_model_and_after(alice, lab):
    sync.apply(lab, [listed("plain/small"), listed("plain/large")])
    curation.hide(alice, "plain/small", is_hidden=True)
    sync.apply(lab, [listed("plain/large")])
    sync.apply(lab, [listed("plain/small")])

    with pytest.raises(Forbidden):
        offers.candidates(alice, "plain/small")


def test_alias_of_the_team_calls_its_model_for_that_team_only(alice, charlie, lab):
    sync.apply(lab, [listed("kimi-k2.6")])
    curation.add_alias(alice, "moonshotai/kimi-k2.6", " team/writer ")

    assert asked(alice, "team/writer") == [("moonshotai/kimi-k2.6", "kimi-k2.6")]
    with pytest.raises(NotFound):
        offers.candidates(charlie, "team/writer")
    curation.remove_alias(alice, "team/writer")
    with pytest.raises(NotFound):
        offers.candidates(alice, "team/writer")


@pytest.mark.parametrize(
    ("alias", "refusal"),
    [("", BadRequest), ("two words", BadRequest), ("-x", BadRequest), ("x" * 81, BadRequest), ("GLM5.1", Conflict)],
)
def test_alias_that_is_no_name_or_anothers_is_refused(alice, alias, refusal):
    with pytest.raises(refusal):
        curation.add_alias(alice, "moonshotai/kimi-k2.6", alias)

    assert not alice.team.aliases.exists()


def test_alias_that_is_taken_is_refused_with_what_it_stands_for(alice):
    curation.add_alias(alice, "moonshotai/kimi-k2.6", "team/writer")

    with pytest.raises(Conflict, match="team/writer stands for moonshotai/kimi-k2.6 already"):
        curation.add_alias(alice, "z-ai/glm-5.1", "team/writer")


def test_replacement_is_the_model_that_was_meant_and_must_be_one(alice):
    curation.deprecate(alice, "moonshotai/kimi-k2", is_deprecated=True, replaced_by="kimi-k2.6")

    assert alice.team.models.get(model_id="moonshotai/kimi-k2").replaced_by == "moonshotai/kimi-k2.6"
    for wrong in ("nothing-like-it", "moonshotai/kimi-k2"):
        with pytest.raises(BadRequest):
            curation.deprecate(alice, "moonshotai/kimi-k2", is_deprecated=True, replaced_by=wrong)


def test_lower_place_is_tried_first_and_the_change_is_written_down(alice, lab):
    spare = vault.store(alice.team, kind=lab.kind, name="Spare", base_url="https://spare.example.org", api_key="")
    for provider in (lab, spare):
        sync.apply(provider, [listed("plain/small")])

    curation.set_offer(alice, provider_id=spare.public_id, model_id="plain/small", priority=1, is_on=True)

    assert [found.offer.provider.name for found in offers.candidates(alice, "plain/small")] == ["Spare", "Lab"]
    assert AuditEntry.objects.filter(action="offer changed", subject="plain/small").count() == 1


def test_key_for_some_models_lists_these_alone(alice, lab):
    sync.apply(lab, [listed("plain/small"), listed("GLM5.1")])
    key, _ = keys.issue(alice, name="narrow")
    key.allowed_models = ["GLM5.1"]
    caller = type(alice)(user=alice.user, team=alice.team, role=alice.role, access_key=key)

    assert [found.model.model_id for found in offers.callable_by(caller)] == ["z-ai/glm-5.1"]
    with pytest.raises(Forbidden):
        offers.callable_named(caller, "plain/small")


# What a budget of a model goes by


def budgeted(person, name: str) -> str:
    """The model whose budget is set under that name on the Team page; else what is said at the field."""
    typed = {"subject": "model", "model_id": name, "window": "month", "hard": "5", "soft": ""}
    answer = signed_in(person).post("/team/budgets/", typed)
    if answer.status_code == 422:
        [sentence] = answer.context["budget_form"].errors["model_id"]
        return str(sentence)
    return Budget.objects.latest("pk").model_id


@pytest.mark.parametrize("name", ["GLM5.1", "z-ai/glm-5.1", "zai-org/GLM-5.1", "team/writer"])
def test_a_budget_is_kept_under_the_id_that_the_model_is_called_by(alice, lab, name):
    sync.apply(lab, [listed("glm-5.1")])
    curation.add_alias(alice, "z-ai/glm-5.1", "team/writer")

    assert budgeted(alice, name) == asked(alice, name)[0][0] == "z-ai/glm-5.1"


def test_a_budget_goes_by_the_one_of_two_models_that_answers_to_the_name(alice, lab):
    sync.apply(lab, [listed("claude-sonnet-4-5-20250929"), listed("claude-sonnet-4-5")])

    for name in ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"):
        assert budgeted(alice, name) == asked(alice, name)[0][0]


def test_a_model_that_cannot_be_called_now_may_have_a_budget(alice, lab):
    sync.apply(lab, [listed("plain/small"), listed("plain/large")])
    curation.hide(alice, "plain/small", is_hidden=True)
    curation.set_offer(alice, provider_id=lab.public_id, model_id="plain/large", priority=5, is_on=False)

    for name in ("plain/small", "plain/large", "moonshotai/kimi-k2.6"):
        assert budgeted(alice, name) == name


@pytest.mark.parametrize(
    "name", ["bytedance/seedance-2.0", "doubao-seedance-2-0-260128", "dreamina-seedance-2-0-260128"]
)
def test_a_video_models_budget_goes_by_its_id_in_the_catalog(alice, name):
    assert budgeted(alice, name) == "bytedance/seedance-2.0"


@pytest.mark.parametrize("name", ["no-such-model-at-all", "x\x7fy", "team/writer"])
def test_a_budget_for_no_model_is_refused_with_what_to_do(alice, charlie, lab, name):
    curation.add_alias(charlie, "z-ai/glm-5.1", "team/writer")

    assert f"There is no model {name!r} in Northlight. Enter the id of one" in budgeted(alice, name)
    assert not Budget.objects.exists()
