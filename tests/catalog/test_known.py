"""The catalog of known models: what must be in it, how names find their model, and what a broken file is told."""

import json
from pathlib import Path

import pytest

from catalog import known, prices
from catalog.known import CatalogBroken, catalog

DOCUMENTED = (
    "deepseek/deepseek-chat", "moonshotai/kimi-k2", "moonshotai/kimi-k2.6", "MiniMax-M2.7", "GLM5.1",
    "anthropic/claude-sonnet-4.6", "doubao-seedance-2-0-260128", "doubao-seedance-2-0-fast-260128",
)  # fmt: skip


@pytest.fixture
def content() -> dict:
    """Of a file with two models."""
    whole = json.loads(known.FILE.read_text())
    ids = ("moonshotai/kimi-k2.6", "z-ai/glm-5.1")
    return whole | {"models": [each for each in whole["models"] if each["id"] in ids]}


@pytest.fixture
def written(tmp_path: Path):
    def write(content: object) -> Path:
        path = tmp_path / "models.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


def test_catalog_has_at_least_350_models_and_a_price_for_most():
    assert len(catalog()) >= 350
    assert sum(bool(model.prices or model.video_prices) for model in catalog()) >= 350


@pytest.mark.parametrize("model_id", DOCUMENTED)
def test_every_documented_id_is_known_with_a_price_and_a_seller(model_id):
    model = catalog().get(model_id)

    assert model is not None
    assert model.prices or model.video_prices
    assert {"EMMA18", "Ark"} & set(model.sellers)


def test_every_model_has_a_name_a_description_and_its_modalities():
    assert all(model.name and model.about and model.inputs and model.outputs for model in catalog())


@pytest.mark.parametrize(
    ("spelling", "model_id"),
    [
        ("claude-sonnet-4-6", "anthropic/claude-sonnet-4.6"),
        ("claude-sonnet-4-5-20250929", "anthropic/claude-sonnet-4.5"),
        ("models/gemini-2.5-pro", "google/gemini-2.5-pro"),
        ("zai-org/GLM-5.1", "z-ai/glm-5.1"),
        ("GLM5.1", "z-ai/glm-5.1"),
        ("MiniMaxAI/MiniMax-M2.7", "minimax/minimax-m2.7"),
        ("gpt-4o-2024-08-06", "openai/gpt-4o-2024-08-06"),
    ],
)
def test_model_is_found_however_a_vendor_spells_it(spelling, model_id):
    assert catalog().find(spelling).id == model_id


@pytest.mark.parametrize("name", ["somebody/kimi-k2.6", "kimi-k2.6:free", "gpt-oss:20b", "plain/small", "", "x" * 300])
def test_another_makers_or_tagged_model_is_not_taken_for_it(name):
    assert catalog().find(name) is None


def test_price_is_whole_pico_dollars_with_its_source_and_day():
    price = prices.known_price("claude-sonnet-4-6")

    assert (price.prompt_picousd, price.completion_picousd, price.cached_picousd) == (3_000_000, 15_000_000, 300_000)
    assert price.source == "catalog: genai-prices, Anthropic"
    assert price.as_of.year == 2026


@pytest.mark.parametrize(
    ("model_id", "resolution", "with_video", "usd"),
    [
        ("doubao-seedance-2-0-260128", "720p", False, 7.0),
        ("doubao-seedance-2-0-260128", "1080p", False, 7.7),
        ("doubao-seedance-2-0-260128", "720p", True, 4.3),
        ("doubao-seedance-2-0-260128", "1080p", True, 4.7),
        ("doubao-seedance-2-0-fast-260128", "720p", False, 5.6),
        ("doubao-seedance-2-0-fast-260128", "1080p", True, 3.3),
    ],
)
def test_video_is_priced_by_resolution_and_by_what_is_sent(model_id, resolution, with_video, usd):
    price = catalog().get(model_id).video_price(resolution=resolution, with_video=with_video)

    assert price.token == usd * 10**6


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda models: models[0]["prices"][0].update(prompt=-1), "has a price that is no whole number from 0 up: -1"),
        (lambda models: models[0]["prices"][0].update(cached=0.5), "has a price that is no whole number from 0 up"),
        (lambda models: models[0]["prices"][0].update(as_of="soon"), "A price of moonshotai/kimi-k2.6 cannot be read"),
        (lambda models: models.append(models[0]), "moonshotai/kimi-k2.6 is in the catalog twice."),
        (lambda models: models[0].update(aliases=["GLM5.1"]), "an alias of z-ai/glm-5.1, stands for another model too"),
        (lambda models: models[0].update(replaced_by="a/b"), "is replaced by a/b, which is not in the catalog"),
        (lambda models: models[0].update(kind="smell"), "is of a kind that is none of ours: smell"),
        (lambda models: models[0].update(id="a/b"), "a/b names a maker that the catalog does not."),
        (lambda models: models[0].pop("name"), "lacks or misplaces 'name'"),
    ],
)
def test_broken_file_is_refused_whole_with_a_sentence(content, written, change, sentence):
    change(content["models"])

    with pytest.raises(CatalogBroken, match=sentence.replace(".", r"\.")):
        known.read(written(content))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"models": 3}'])
def test_file_that_is_no_catalog_is_refused_with_a_sentence(written, text):
    with pytest.raises(CatalogBroken, match="The catalog of models in models.json"):
        known.read(written(text))
