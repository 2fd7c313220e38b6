"""What a page shows of a conversation: its turns ready to render, and the list of conversations beside it.

Reads rows only. The same turn is shown in a page, after a prompt is sent, and at the end of a followed reply.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby

from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from accounts import raises, request_log
from accounts.callers import Caller
from accounts.itemised import ESTIMATES
from accounts.models import Provider, Receipt, Team
from catalog import offers
from chat import conversations, markdown
from chat.models import Conversation, Turn

PAGE = 40


@dataclass(frozen=True, slots=True)
class Cost:
    """What a reply was charged, and where its receipt is. `word` says why there is no amount."""

    nanousd: int
    word: str
    is_estimated: bool
    url: str


@dataclass(frozen=True, slots=True)
class Figures:
    """The line under a reply; None where something is not known."""

    cost: Cost | None
    provider: str
    tokens_in: int | None
    tokens_out: int | None
    first_token_s: float | None
    total_s: float | None
    tokens_per_s: float | None


@dataclass(frozen=True, slots=True)
class ShownTurn:
    """A turn as templates need it. `html` is the finished blocks, `tail` the plain text behind them."""

    public_id: str
    role: str
    state: str
    text: str
    html: SafeString
    tail: str
    follow_url: str  # see follow.py, as is position
    position: str
    model_id: str
    model_name: str
    author_name: str
    error: str
    why_url: str  # what explains a refusal of ours, "" where there was none
    may_ask: bool  # for more money, which it was refused for
    is_cut_off: bool
    created_at: datetime
    receipt: Figures
    is_unfinished: bool
    is_retryable: bool
    is_superseded: bool  # a later attempt at the same prompt stands below


@dataclass(frozen=True, slots=True)
class ListedConversation:
    title: str
    url: str
    is_current: bool
    is_writing: bool
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ConversationGroup:
    label: str
    items: list[ListedConversation]


def shown(turns: list[Turn], *, model_names: dict[str, str]) -> list[ShownTurn]:
    last = {turn.parent_id: turn.pk for turn in turns if turn.role == Turn.Role.ASSISTANT}
    newest = turns[-1].pk if turns else None
    costs, refused = _costs(turns), _refused(turns)
    return [
        _shown(
            turn,
            model_names.get(turn.model_id, turn.model_id),
            costs=costs,
            refused=refused,
            is_superseded=turn.role == Turn.Role.ASSISTANT and last[turn.parent_id] != turn.pk,
            is_newest=turn.pk == newest,
        )
        for turn in turns
    ]


def finished_turn_html(public_id: str) -> str:
    """The HTML of one reply, for the page that followed it to its end."""
    turn = Turn.objects.select_related("conversation__owner", "conversation__team").get(public_id=public_id)
    team_models = turn.conversation.team.models
    name = team_models.filter(model_id=turn.model_id).values_list("name", flat=True).first() or turn.model_id
    shown_turn = _shown(turn, name, costs=_costs([turn]), refused=_refused([turn]), is_superseded=False, is_newest=True)
    return render_to_string("chat/_turn.html", {"turn": shown_turn})


def _refused(turns: list[Turn]) -> dict[str, int]:
    """Request ids and statuses of those that a limit of the team refused. No query unless one failed."""
    failed = [turn.request_id for turn in turns if turn.state == Turn.State.FAILED and turn.request_id]
    return raises.refused(failed) if failed else {}


def _shown(
    turn: Turn,
    model_name: str,
    *,
    costs: dict[str, Cost],
    refused: dict[str, int],
    is_superseded: bool,
    is_newest: bool,
) -> ShownTurn:
    end = turn.blocks[-1][0] if turn.blocks else 0
    return ShownTurn(
        public_id=turn.public_id,
        role=turn.role,
        state=turn.state,
        text=turn.text,
        html=markdown.joined(turn.blocks),
        tail=turn.text[end:] if turn.is_unfinished else "",
        follow_url=f"/chat/turns/{turn.public_id}/follow",
        position=f"{end}.{len(turn.text)}",
        model_id=turn.model_id,
        model_name=model_name,
        author_name=turn.conversation.owner.name,
        error=turn.error,
        why_url=reverse("why", args=[turn.request_id]) if turn.request_id in refused else "",
        may_ask=refused.get(turn.request_id) == 402,
        is_cut_off=turn.is_cut_off and turn.state == Turn.State.DONE,
        created_at=turn.created_at,
        receipt=_figures(turn, costs.get(turn.request_id)),
        is_unfinished=turn.is_unfinished,
        is_retryable=is_newest and not turn.is_unfinished and turn.role == Turn.Role.ASSISTANT,
        is_superseded=is_superseded,
    )


def _costs(turns: list[Turn]) -> dict[str, Cost]:
    """By request id, in one query. Nothing for what was refused, and for what has no receipt yet."""
    request_ids = [turn.request_id for turn in turns if turn.request_id and not turn.is_unfinished]
    return {row.request_id: _cost(row) for row in request_log.charged(request_ids)} if request_ids else {}


def _cost(row: Receipt) -> Cost:
    word = ""
    if not row.price:
        word = "no price known"
    elif not row.charged_nanousd:
        is_free = not (row.price["prompt_picousd"] or row.price["completion_picousd"])
        word = "free" if is_free else "not charged"
    return Cost(row.charged_nanousd, word, row.basis in ESTIMATES, reverse("receipt", args=[row.request_id]))


def _figures(turn: Turn, cost: Cost | None) -> Figures:
    first, end = turn.first_token_at, turn.finished_at
    writing_s = (end - first).total_seconds() if first and end else 0.0
    return Figures(
        cost=cost,
        provider=turn.provider_name,
        tokens_in=turn.tokens_in,
        tokens_out=turn.tokens_out,
        first_token_s=(first - turn.created_at).total_seconds() if first else None,
        total_s=(end - turn.created_at).total_seconds() if end else None,
        tokens_per_s=turn.tokens_out / writing_s if turn.tokens_out and writing_s > 0 else None,
    )


def listed(caller: Caller, *, current_id: str, before: str) -> tuple[list[ConversationGroup], str]:
    """A page of the caller's conversations, newest first, grouped by day, and the cursor for older ones or ''."""
    rows = conversations.newest_first(caller, before=before, limit=PAGE + 1)
    writing = conversations.being_written(rows)
    items = [
        ListedConversation(
            title=row.title,
            url=reverse("conversation", args=[row.public_id]),
            is_current=row.public_id == current_id,
            is_writing=row.pk in writing,
            updated_at=row.updated_at,
        )
        for row in rows[:PAGE]
    ]
    cursor = conversations.cursor(rows[PAGE - 1]) if len(rows) > PAGE else ""
    return list(_by_day(items, timezone.localdate())), cursor


def _by_day(items: Iterable[ListedConversation], today: date) -> Iterator[ConversationGroup]:
    def label(item: ListedConversation) -> str:
        day = timezone.localdate(item.updated_at)
        if day >= today:
            return "Today"
        if day == today - timedelta(days=1):
            return "Yesterday"
        return "Last 7 days" if day > today - timedelta(days=7) else f"{day:%B %Y}"

    for name, group in groupby(items, key=label):
        yield ConversationGroup(name, list(group))


@dataclass(frozen=True, slots=True)
class ChoosableModel:
    id: str
    name: str
    provider_name: str
    is_embedded: bool


def choosable(team: Team) -> list[ChoosableModel]:
    """The models the composer offers, each with the provider that is tried first."""
    return [
        ChoosableModel(
            id=offer.model.model_id,
            name=offer.model.name,
            provider_name=offer.provider.name,
            is_embedded=offer.provider.kind == Provider.Kind.EMBEDDED,
        )
        for offer in offers.first_offers(team)
        if offers.kind_of(offer.model.model_id) == "chat"
    ]


def names(models: list[ChoosableModel]) -> dict[str, str]:
    return {model.id: model.name for model in models}


def chosen_model(models: list[ChoosableModel], *, asked: str, current: Conversation | None) -> str:
    """Which model the composer starts with: the one asked for, the conversation's last, or the first there is."""
    ids = [model.id for model in models]
    wanted = (asked, current.model_id if current else "")
    return next((model_id for model_id in wanted if model_id in ids), ids[0] if ids else "")
