"""What is publicly known of models, whoever offers them: facts and list prices, from catalog/data/models.json.

The file is made by scripts/catalog. It is read once a process, when it is first needed, whole or not at all. Knows no
team and no database; what a team's own providers say of a model comes first.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache, cached_property
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("data") / "models.json"
KINDS = ("chat", "video", "image", "audio", "embedding")
MODES = ("text", "image", "audio", "video", "pdf")
FEATURES = ("tools", "json", "vision", "reasoning")
LONGEST_ID = 200
_DATED = re.compile(r"-(20\d\d-?\d\d-?\d\d|latest)$")


class CatalogBroken(Exception):
    """The file cannot be used. Its text says which model is at fault, and why."""


@dataclass(frozen=True, slots=True)
class KnownPrice:
    """Whole pico-dollars a token, for prompts of `from_tokens` and more."""

    prompt: int
    completion: int
    source: str
    as_of: date
    from_tokens: int = 0
    cached: int | None = None
    cache_write: int | None = None


@dataclass(frozen=True, slots=True)
class VideoPrice:
    """Whole pico-dollars a video token. An empty resolution is any that no other row names."""

    resolution: str
    with_video: bool  # whether a video is among what is sent
    token: int
    source: str
    as_of: date


@dataclass(frozen=True, slots=True)
class KnownModel:
    """`inputs`, `outputs` and `features` are in the order of MODES and FEATURES; `cutoff` is a year and month."""

    id: str
    name: str
    maker: str
    kind: str
    about: str
    context: int | None
    output: int | None
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    features: tuple[str, ...]
    cutoff: str
    open_weights: bool
    is_deprecated: bool
    replaced_by: str
    aliases: tuple[str, ...]
    sellers: tuple[str, ...]  # names of who offers it, such as OpenRouter
    prices: tuple[KnownPrice, ...]  # the first is for short prompts
    video_prices: tuple[VideoPrice, ...]

    @property
    def price(self) -> KnownPrice | None:
        return self.prices[0] if self.prices else None

    def video_price(self, *, resolution: str, with_video: bool) -> VideoPrice | None:
        """The row for that resolution, else the one for any."""
        rows = [row for row in self.video_prices if row.with_video == with_video]
        exact = next((row for row in rows if row.resolution == resolution), None)
        return exact or next((row for row in rows if not row.resolution), None)


class Catalog:
    """All known models, by id and by however vendors spell them."""

    def __init__(
        self, models: Iterable[KnownModel], spellings_of_makers: dict[str, frozenset[str]], as_of: date
    ) -> None:
        self.as_of = as_of  # the day of its latest facts
        self._models = {model.id: model for model in models}
        self._spellings_of_makers = spellings_of_makers

    def __iter__(self) -> Iterator[KnownModel]:
        return iter(self._models.values())

    def __len__(self) -> int:
        return len(self._models)

    def __getitem__(self, model_id: str) -> KnownModel:
        """By its id."""
        return self._models[model_id]

    def get(self, model_id: str) -> KnownModel | None:
        """By its id or one of its aliases exactly."""
        return self._models.get(model_id) or self._by_alias.get(model_id)

    def find(self, name: str) -> KnownModel | None:
        """By whatever a vendor calls it: `claude-sonnet-4-6`, `models/gemini-2.5-pro`, with a date behind it or not.

        Another maker's model of the same name is not it. A tag behind a colon is another model.
        """
        if len(name) > LONGEST_ID or ":" in name:
            return None
        if exact := self.get(name):
            return exact
        path, _, bare = name.lower().rpartition("/")
        prefix = path.rpartition("/")[2]
        for spelling in (bare, _DATED.sub("", bare)):
            for model in self._by_spelling.get(_spelled(spelling), ()):
                if prefix in ("", "models") or prefix in self._spellings_of_makers[model.id.partition("/")[0]]:
                    return model
        return None

    @cached_property
    def _by_alias(self) -> dict[str, KnownModel]:
        return {alias: model for model in self for alias in model.aliases}

    @cached_property
    def _by_spelling(self) -> dict[str, list[KnownModel]]:
        found: dict[str, list[KnownModel]] = {}
        for model in self:
            for name in (model.id.partition("/")[2], *model.aliases):
                found.setdefault(_spelled(name), []).append(model)
        return found


def _spelled(bare: str) -> str:
    return re.sub(r"[._-]+", "-", bare.lower())


@cache
def catalog() -> Catalog:
    """Raises CatalogBroken."""
    return read(FILE)


def read(path: Path) -> Catalog:
    """Raises CatalogBroken with a sentence."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CatalogBroken(f"The catalog of models in {path.name} cannot be read: {error}.") from error
    try:
        makers = {maker: (each["name"], each["spellings"]) for maker, each in content["makers"].items()}
        models = [_model(each, makers, content["sellers"]) for each in content["models"]]
        as_of = max(date.fromisoformat(source["as_of"]) for source in content["sources"])
    except (KeyError, TypeError, AttributeError) as error:
        raise CatalogBroken(f"The catalog of models in {path.name} lacks or misplaces {error}.") from error
    _check(models)
    return Catalog(models, {maker: frozenset((maker, *spellings)) for maker, (_, spellings) in makers.items()}, as_of)


def _model(each: dict[str, Any], makers: dict[str, Any], sellers: dict[str, str]) -> KnownModel:
    model_id = each["id"]
    maker = model_id.partition("/")[0]
    if maker not in makers:
        raise CatalogBroken(f"{model_id} names a maker that the catalog does not.")
    try:
        prices = tuple(KnownPrice(**_dated(row)) for row in each.get("prices", ()))
        video_prices = tuple(VideoPrice(**_dated(row)) for row in each.get("video_prices", ()))
    except (TypeError, ValueError, KeyError) as error:
        raise CatalogBroken(f"A price of {model_id} cannot be read: {error}.") from error
    return KnownModel(
        id=model_id,
        name=each["name"],
        maker=makers[maker][0],
        kind=each["kind"],
        about=each["about"],
        context=each.get("context"),
        output=each.get("output"),
        inputs=_ordered(each["inputs"], MODES),
        outputs=_ordered(each["outputs"], MODES),
        features=_ordered(each.get("features", ()), FEATURES),
        cutoff=each.get("cutoff", ""),
        open_weights=each.get("open_weights", False),
        is_deprecated=each.get("deprecated", False),
        replaced_by=each.get("replaced_by", ""),
        aliases=tuple(each.get("aliases", ())),
        sellers=tuple(sellers[seller] for seller in each.get("sellers", ())),
        prices=prices,
        video_prices=video_prices,
    )


def _ordered(words: Iterable[str], order: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word for word in order if word in words)


_dates: dict[str, date] = {}  # a handful in a file


def _dated(row: dict[str, Any]) -> dict[str, Any]:
    as_of = _dates.get(row["as_of"]) or _dates.setdefault(row["as_of"], date.fromisoformat(row["as_of"]))
    return {**row, "as_of": as_of}


def _check(models: list[KnownModel]) -> None:
    """Raises CatalogBroken for the first thing that is wrong."""
    ids: set[str] = set()
    for model in models:
        if model.id in ids:
            raise CatalogBroken(f"{model.id} is in the catalog twice.")
        ids.add(model.id)
        if model.kind not in KINDS:
            raise CatalogBroken(f"{model.id} is of a kind that is none of ours: {model.kind}.")
        figures = [figure for row in model.prices for figure in (row.prompt, row.completion, row.cached or 0)]
        for figure in (*figures, *(row.token for row in model.video_prices)):
            if type(figure) is not int or figure < 0:
                raise CatalogBroken(f"{model.id} has a price that is no whole number from 0 up: {figure}.")
    taken = set(ids)
    for model in models:
        for alias in model.aliases:
            if alias in taken:
                raise CatalogBroken(f"{alias}, an alias of {model.id}, stands for another model too.")
            taken.add(alias)
        if model.replaced_by and model.replaced_by not in ids:
            raise CatalogBroken(f"{model.id} is replaced by {model.replaced_by}, which is not in the catalog.")
