"""The composer's choice of a model: a bounded list for the page, and a search in the catalog for who looks further."""

from collections.abc import Sequence
from dataclasses import dataclass

from accounts.callers import Caller
from accounts.models import Membership
from catalog.lines import Line, just_seen
from catalog.search import Wanted, search
from chat import conversations
from chat.thread import ChoosableModel

MOST_LISTED, MOST_FOUND, MOST_RECENT = 60, 40, 20


@dataclass(frozen=True, slots=True)
class Listed:
    """Models for a plain list. `left_out` is how many more can be called."""

    models: Sequence[ChoosableModel]
    left_out: int


def listed(caller: Caller, models: Sequence[ChoosableModel], chosen: str) -> Listed:
    """The chosen one, those the caller's last conversations were with, and the first of the others, in their order.
    One query where not all fit."""
    if len(models) <= MOST_LISTED:
        return Listed(models, 0)
    recent = {row.model_id for row in conversations.newest_first(caller, before="", limit=MOST_RECENT)}
    wanted = {chosen, *recent} & {model.id for model in models}
    for model in models:
        if len(wanted) >= MOST_LISTED:
            break
        wanted.add(model.id)
    return Listed([model for model in models if model.id in wanted], len(models) - len(wanted))


@dataclass(frozen=True, slots=True)
class Found:
    lines: Sequence[Line]
    left_out: int


def found(caller: Caller, text: str) -> Found:
    """Models that chat, those that can be called first; the others say why not."""
    seen = just_seen(caller, sees_hidden=caller.has_role(Membership.Role.ADMIN))
    chatting = [line for line in seen if line.kind == "chat"]
    result = search(chatting, Wanted.searching(text))
    lines = result.lines[:MOST_FOUND]
    return Found(lines, result.count - len(lines))
