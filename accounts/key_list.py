"""Access keys as people look at them: the state each is in, what it spent of what it may, and its limits in words."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Exists, OuterRef, Sum
from django.utils import timezone

from accounts import allowances, keys, model_ids, raises
from accounts.allowances import Allowance
from accounts.callers import Caller
from accounts.models import AccessKey, Budget, Hold, Membership, Receipt, UsageDay
from accounts.money import dollars
from accounts.standing import EACH

MOST_SHOWN = 100
SOON = timedelta(hours=48)
LATEST_LOOKED_AT = 20  # receipts of a key, for one that went well
CLOCKS_APART = timedelta(seconds=5)  # a receipt's time is the database's, a key's use ours


class State(Enum):
    """With an icon and a tone: never told by colour alone."""

    WAITING = "Waiting", "loader-circle", "live"
    ACTIVE = "Active", "circle-check", "good"
    ROTATING = "Rotating", "refresh-cw", "warn"
    LIMIT_REACHED = "Limit reached", "circle-x", "bad"
    EXPIRED = "Expired", "clock", ""
    OWNER_LEFT = "Owner left", "circle-x", ""
    REVOKED = "Revoked", "circle-x", ""

    def __init__(self, word: str, icon: str, tone: str) -> None:
        self.word, self.icon, self.tone = word, icon, tone

    @property
    def is_over(self) -> bool:
        return self in (State.EXPIRED, State.OWNER_LEFT, State.REVOKED)


@dataclass(frozen=True, slots=True)
class Row:
    """`spent_nanousd` is of the budget with least left if the key has one, else of this month."""

    key: AccessKey
    state: State
    may_call: str
    spent_nanousd: int
    allowance: Allowance | None
    pace: str
    ends_soon: str  # such as in 21 h, empty where a date says it


@dataclass(frozen=True, slots=True)
class Listed:
    """`count` of those that match and are not hidden, of which the newest are in `rows`; `revoked` is how many are."""

    rows: list[Row]
    count: int
    revoked: int


def of(caller: Caller, *, text: str = "", with_revoked: bool = False) -> Listed:
    """The keys that the caller may see and that match."""
    now = timezone.now()
    found = keys.visible_to(caller).matching(text.strip() if text.isprintable() else "")
    revoked = found.exclude(revoked_at=None).count()
    shown = found if with_revoked else found.filter(revoked_at=None)
    members = Membership.objects.filter(team=OuterRef("team"), user=OuterRef("owner"), user__is_active=True)
    listed = list(shown.for_list().annotate(has_owner=Exists(members))[:MOST_SHOWN])
    count = len(listed) if len(listed) < MOST_SHOWN else shown.count()
    tightest = allowances.of(caller.team, Budget.Scope.ACCESS_KEY, at=now)
    spent = _spent_this_month(caller, listed)
    models = len(model_ids.of(caller.team)) if any(key.allowed_models is None for key in listed) else 0
    rows = [
        Row(
            key=key,
            state=_state(key, tightest.get(key.pk), at=now),
            may_call=_may_call(key, models),
            spent_nanousd=tightest[key.pk].spent_nanousd if key.pk in tightest else spent.get(key.pk, 0),
            allowance=tightest.get(key.pk),
            pace=_pace(key),
            ends_soon=_soon(key.expires_at, at=now),
        )
        for key in listed
    ]
    return Listed(rows, count, revoked)


def _spent_this_month(caller: Caller, listed: Collection[AccessKey]) -> dict[int, int]:
    first = raises.today(caller.team).replace(day=1)
    days = UsageDay.objects.filter(team=caller.team, day__gte=first, access_key_id__in=[key.pk for key in listed])
    return dict(days.values("access_key_id").annotate(sum=Sum("spent_nanousd")).values_list("access_key_id", "sum"))


def _state(key: AccessKey, allowance: Allowance | None, *, at: datetime) -> State:
    if key.revoked_at:
        return State.REVOKED
    if not key.has_owner:  # type: ignore[attr-defined]
        return State.OWNER_LEFT
    if key.is_expired(at=at):
        return State.EXPIRED
    if allowance is not None and allowance.bar.tone == "bad":
        return State.LIMIT_REACHED
    if key.is_rotating(at=at):
        return State.ROTATING
    return State.ACTIVE if key.last_used_at else State.WAITING


def _may_call(key: AccessKey, models: int) -> str:
    if key.allowed_models is None:
        return f"all {models:,}" if models else "all"
    return "1 model" if len(key.allowed_models) == 1 else f"{len(key.allowed_models):,} models"


def _pace(key: AccessKey) -> str:
    """The first of its limits that is set: requests are what people think in."""
    if key.requests_per_minute is not None:
        return f"{key.requests_per_minute:,} / min"
    if key.tokens_per_minute is not None:
        return f"{_short(key.tokens_per_minute)} tokens / min"
    return f"{key.concurrent_requests:,} at once" if key.concurrent_requests is not None else "no limit"


def _short(count: int) -> str:
    return next((f"{count / size:g}{unit}" for size, unit in ((10**6, "M"), (1000, "k")) if count >= size), str(count))


def _soon(end: datetime | None, *, at: datetime) -> str:
    if end is None or not at < end <= at + SOON:
        return ""
    minutes = int((end - at).total_seconds() // 60)
    return f"in {minutes // 60} h" if minutes >= 60 else f"in {max(1, minutes)} min"


# One key


def in_words(key: AccessKey) -> str:
    """What a key may do that was made with limits: $25.00 a month, 4 models. Empty where it has none."""
    budget = Budget.objects.filter(access_key=key, hard_nanousd__isnull=False).first()
    words = [f"{dollars(budget.hard_nanousd or 0)} {EACH[Budget.Window(budget.window)]}"] if budget else []
    words += [_may_call(key, 0)] if key.allowed_models is not None else []
    words += [_pace(key)] if key.requests_per_minute or key.tokens_per_minute or key.concurrent_requests else []
    return ", ".join(words)


def as_set(key: AccessKey) -> dict[str, Any]:
    """A key's limits for the form that changes them: amounts in nano-dollars, its last day by the team's clock."""
    budget = Budget.objects.filter(access_key=key, hard_nanousd__isnull=False).first()
    zone = ZoneInfo(key.team.time_zone)
    return {
        "name": key.name,
        "allowed_models": key.allowed_models,
        "spend_nanousd": budget.hard_nanousd if budget else None,
        "window": budget.window if budget else Budget.Window.MONTH,
        "requests_per_minute": key.requests_per_minute,
        "tokens_per_minute": key.tokens_per_minute,
        "concurrent_requests": key.concurrent_requests,
        "last_day": (key.expires_at - timedelta(seconds=1)).astimezone(zone).date() if key.expires_at else None,
    }


@dataclass(frozen=True, slots=True)
class FirstRequest:
    """What is known of the first request with a key's newest secret. `receipt` is of one that went well, else of the
    latest; None while none has ended."""

    key: AccessKey
    receipt: Receipt | None
    waited_s: int
    is_running: bool

    @property
    def went_well(self) -> bool:
        return self.receipt is not None and self.receipt.status == 200

    @property
    def waited(self) -> str:
        return f"{self.waited_s} s" if self.waited_s < 60 else f"{self.waited_s // 60} min"

    @property
    def look_again_s(self) -> int:
        """0 when there is nothing more to wait for; rarely where nobody seems to be about to call."""
        if self.went_well or self.key.revoked_at:
            return 0
        return 2 if self.waited_s < 5 * 60 else 15


def first_request(key: AccessKey) -> FirstRequest:
    now = timezone.now()
    waited_s = max(0, int((now - key.secret_made_at).total_seconds()))
    if key.secret_used_at is None:
        return FirstRequest(key, None, waited_s, is_running=False)
    latest = Receipt.objects.filter(access_key=key).order_by("-pk")[:LATEST_LOOKED_AT]
    since = [receipt for receipt in latest if receipt.began_at >= key.secret_used_at - CLOCKS_APART]
    well = [receipt for receipt in since if receipt.status == 200]
    receipt = well[-1] if well else next(iter(since), None)
    running = Hold.objects.filter(access_key=key, state=Hold.State.OPEN, lease_until__gt=now)
    return FirstRequest(key, receipt, waited_s, is_running=receipt is None and running.exists())
