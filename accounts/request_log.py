"""The log of requests: which receipts a person may see, and pages of them, newest first.

Pages are found by the row they end at, never by counting rows, so the last one costs what the first does. Reads rows
only; `itemised.py` explains a single receipt.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts import keys as access_keys
from accounts import raises, usage
from accounts.callers import Caller
from accounts.key_names import labelled
from accounts.models import AccessKey, Membership, Receipt
from accounts.refusals import NotFound
from accounts.usage import Choice

PAGE = 50
OFFERED_DAYS = 30  # models of which a filter offers
OFFERED_KEYS = 200
MOST_MATCHES = 8  # members and keys that a search is followed to; each costs a query

MOST_FOUND = 1000  # requests that begin alike

# What people look for by the start of an id. Its first seven characters tell the half minute: shorter ones would have
# to look through days of everybody's requests.
_REQUEST_ID = re.compile(r"req_[0-9A-Z]{7,26}")
_ID_LENGTH = 26


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which requests; nothing named is all. A key of 0 is the playground. `text` is a request id, at least its first
    seven characters, or part of a member's or key's name."""

    member: int | None = None
    key: int | None = None
    model: str | None = None
    outcome: str = ""
    text: str = ""

    @property
    def are_set(self) -> bool:
        return self != Wanted()


@dataclass(frozen=True, slots=True)
class Logged:
    """A line of the log: a receipt, with what its member and key are called."""

    receipt: Receipt
    member: str
    key: str

    @property
    def is_today(self) -> bool:
        """By the clock the page is shown by."""
        return timezone.localdate(self.receipt.began_at) == timezone.localdate()

    @property
    def cost_nanousd(self) -> int | None:
        """None for what was refused, and what nobody knows the price of."""
        return self.receipt.charged_nanousd if self.receipt.price and self.receipt.attempts else None


@dataclass(frozen=True, slots=True)
class Page:
    """Lines of the log, newest first, with the cursors of the pages beside it, None where there is none."""

    lines: list[Logged]
    newer: int | None
    older: int | None


def visible_to(caller: Caller) -> QuerySet[Receipt]:
    """The team's receipts for admins, one's own for everybody else."""
    found = Receipt.objects.filter(team=caller.team)
    return found if usage.sees_all(caller) else found.filter(user=caller.user)


def find(caller: Caller, request_id: str) -> Receipt:
    """A receipt the caller may see. Raises NotFound, which says the same of one that others have."""
    found = visible_to(caller).select_related("user", "access_key", "hold").filter(request_id=request_id[:40]).first()
    if found is None:
        raise NotFound("There is no such request of yours. A receipt is written when its request has ended.")
    return found


def charged(request_ids: Iterable[str]) -> QuerySet[Receipt]:
    """Those of these requests that were let through, as far as they have ended."""
    return Receipt.objects.filter(request_id__in=request_ids).exclude(outcome=Receipt.Outcome.REFUSED).defer("refusal")


def page(
    caller: Caller, wanted: Wanted, *, before: int | None = None, after: int | None = None, size: int = PAGE
) -> Page:
    """The newest, those older than the cursor `before`, or those next newer than the cursor `after`."""
    found = _chosen(caller, wanted)
    sources = _matching(caller, found, wanted.text)
    if after is not None:
        rows = _first(sources, "id", size, id__gt=after)[::-1]
        has_newer, has_older = len(rows) > size, True
        rows = rows[-size:]
    else:
        rows = _first(sources, "-id", size, **({} if before is None else {"id__lt": before}))
        has_newer, has_older = before is not None, len(rows) > size
        rows = rows[:size]
    if not rows:  # rows are never removed, so only a cursor made up leads here
        return Page([], None, None)
    return Page(_named(rows), rows[0].pk if has_newer else None, rows[-1].pk if has_older else None)


def _first(sources: list[QuerySet[Receipt]], order: str, size: int, **cursor: int) -> list[Receipt]:
    """The first rows of all sources together, and one more where there is one.

    Each is asked by itself: one query for either of two things would look through all rows for both.
    """
    rows = {row.pk: row for source in sources for row in source.filter(**cursor).order_by(order)[: size + 1]}
    return [rows[pk] for pk in sorted(rows, reverse=order.startswith("-"))][: size + 1]


def _chosen(caller: Caller, wanted: Wanted) -> QuerySet[Receipt]:
    found = visible_to(caller).defer("refusal")
    filters = usage.Filters(member=wanted.member, model=wanted.model, key=wanted.key)
    if filters.are_several and not usage.there_is(caller, filters):
        return found.none()  # which the receipts would tell only after all that the one or the other has were read
    if wanted.member is not None:
        found = found.filter(user_id=wanted.member)
    if wanted.key is not None:
        found = found.filter(access_key_id=wanted.key or None)
    if wanted.model is not None:
        found = found.filter(model_id=wanted.model)
    if wanted.outcome:
        found = found.filter(outcome=wanted.outcome)
        if wanted.outcome != Receipt.Outcome.DONE:  # as the index says it, for databases that do not see it follows
            found = found.exclude(outcome=Receipt.Outcome.DONE)
    return found


def _matching(caller: Caller, found: QuerySet[Receipt], text: str) -> list[QuerySet[Receipt]]:
    text = text.strip()
    if not text:
        return [found]
    if _REQUEST_ID.fullmatch(request_id := text[:4].lower() + text[4:].upper()):
        return [_starting_with(request_id, found)]
    members = Membership.objects.filter(team=caller.team, user__name__icontains=text).order_by("user_id")
    keys = AccessKey.objects.filter(Q(name__icontains=text) | Q(last_four=text[-4:]), team=caller.team).order_by("-pk")
    if not usage.sees_all(caller):
        members, keys = members.filter(user=caller.user), keys.filter(owner=caller.user)
    return [
        *(found.filter(user_id=pk) for pk in members.values_list("user_id", flat=True)[:MOST_MATCHES]),
        *(found.filter(access_key_id=pk) for pk in keys.values_list("pk", flat=True)[:MOST_MATCHES]),
    ]


def _starting_with(request_id: str, found: QuerySet[Receipt]) -> QuerySet[Receipt]:
    """A range of whole ids, which every collation takes alike, looked up by itself: databases that count nothing would
    rather go through all receipts of the team."""
    missing = _ID_LENGTH + len("req_") - len(request_id)
    if not missing:
        return found.filter(request_id=request_id)
    within = Receipt.objects.filter(
        request_id__gte=request_id + "0" * missing, request_id__lte=request_id + "Z" * missing
    )
    return found.filter(pk__in=list(within.order_by("-request_id").values_list("pk", flat=True)[:MOST_FOUND]))


def choices(caller: Caller, wanted: Wanted) -> dict[str, list[Choice]]:
    """What the log can be filtered by: the team's members, the keys one may see, the models asked for lately."""
    offered: dict[str, list[Choice]] = {}
    if usage.sees_all(caller):
        members = caller.team.memberships.order_by("user__name").values_list("user_id", "user__name")
        offered["member"] = [Choice(str(pk), name, pk == wanted.member) for pk, name in members]
    keys = access_keys.visible_to(caller).order_by("-pk").values_list("pk", "name", "last_four")[:OFFERED_KEYS]
    offered["key"] = [Choice("0", "playground", wanted.key == 0)]
    offered["key"] += [Choice(str(pk), labelled(name, last_four), pk == wanted.key) for pk, name, last_four in keys]
    models = set(usage.models_since(caller, raises.today(caller.team) - timedelta(days=OFFERED_DAYS)))
    if wanted.model is not None:
        models.add(wanted.model)
    offered["model"] = [Choice(model, model, model == wanted.model) for model in sorted(models)]
    return offered


def _named(rows: list[Receipt]) -> list[Logged]:
    names = usage.names(members=(row.user_id for row in rows), keys=(row.access_key_id for row in rows))
    return [Logged(row, names.of("member", row.user_id), names.key(row.access_key_id)) for row in rows]
