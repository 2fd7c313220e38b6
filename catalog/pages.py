"""What the pages of the catalog are made of: rendered rows, the models chosen to compare, the table that compares them.

A row is rendered once for its line and kept: 300 rows by the template take 50 ms, joining them nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from django.template.loader import get_template
from django.utils.html import escape, format_html_join
from django.utils.safestring import SafeString, mark_safe

from catalog.lines import Line
from catalog.search import MOST_COMPARED, Group, Value


def rows(lines: Iterable[Line], compared: Sequence[str]) -> SafeString:
    chosen = set(compared)
    return mark_safe("".join(_row(line, line.model_id in chosen) for line in lines))  # each escaped by its template


@lru_cache(maxsize=1 << 14)
def _row(line: Line, is_chosen: bool) -> str:
    text = get_template("catalog/_row.html").render({"line": line, "is_chosen": is_chosen})
    return "".join(part.strip() for part in text.splitlines())


def facets(groups: Iterable[tuple[Group, Sequence[Value]]]) -> SafeString:
    """A fieldset each. By the template this takes as long as all the rest of a search."""
    return format_html_join(
        "",
        "<fieldset><legend>{}</legend>{}</fieldset>",
        ((group.label, SafeString("".join(map(_facet, values)))) for group, values in groups),
    )


_FACET = (
    '<label><input type="checkbox" form="models" id="facet-{}-{}" name="{}" value="{}"{}>'
    '<span>{}</span> <data value="{}">{}</data></label>'
)


def _facet(each: Value) -> str:
    checked = " checked" if each.is_chosen else ""
    value, label = escape(each.value), escape(each.label)
    return _FACET.format(each.group, each.number, each.group, value, checked, label, each.count, each.count)


@dataclass(frozen=True, slots=True)
class Chosen:
    """A model chosen to compare; `is_elsewhere` where its row is not among those shown."""

    line: Line
    is_elsewhere: bool


def compared(seen: Iterable[Line], ids: Sequence[str], *, shown: Iterable[Line]) -> list[Chosen]:
    by_id = {line.model_id: line for line in seen} if ids else {}
    here = {line.model_id for line in shown}
    return [Chosen(by_id[each], each not in here) for each in ids if each in by_id]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Up to four models beside each other. Of each figure the ids of the best are named, where there is one."""

    lines: Sequence[Line]
    cheapest_in: frozenset[str]
    cheapest_out: frozenset[str]
    longest: frozenset[str]
    surest: frozenset[str]
    quickest: frozenset[str]


def comparison(seen: Iterable[Line], ids: Sequence[str]) -> Comparison:
    by_id = {line.model_id: line for line in seen}
    lines = [by_id[each] for each in ids[:MOST_COMPARED] if each in by_id]
    return Comparison(
        lines=lines,
        cheapest_in=_best([(line.model_id, line.prompt) for line in lines], least=True),
        cheapest_out=_best([(line.model_id, line.completion) for line in lines], least=True),
        longest=_best([(line.model_id, line.context) for line in lines]),
        surest=_best([(line.model_id, line.success) for line in lines]),
        quickest=_best([(line.model_id, line.first_token_ms) for line in lines], least=True),
    )


def _best(figures: Sequence[tuple[str, float | None]], *, least: bool = False) -> frozenset[str]:
    """Nobody, where all are alike or fewer than two are known."""
    known = [(figure, name) for name, figure in figures if figure is not None]
    if len(known) < 2 or len({figure for figure, _ in known}) == 1:
        return frozenset()
    best = (min if least else max)(figure for figure, _ in known)
    return frozenset(name for figure, name in known if figure == best)
