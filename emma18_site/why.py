"""Why a request was refused: what its receipt says, told limit by limit, and what can be done about it.

Looks across rooms: the receipt and its limits are accounts', the conversation the playground's. Reads only; asking for
more is `accounts/raises.py`.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.dateparse import parse_datetime

from accounts import budgets, money, raises, refusals
from accounts.bars import Bar
from accounts.callers import Caller
from accounts.models import Budget, Membership, MoneyRequest, Receipt, Team
from accounts.refusals import NotFound
from chat.models import Turn
from emma18_site.templatetags.usd import usd

STATUSES: dict[int, type[refusals.Refusal]] = {
    402: refusals.PaymentRequired,
    403: refusals.Forbidden,
    429: refusals.RateLimited,
}
MILLION = 10**6

_WINDOWS = (" a day", " a week", " a month", " in all")
_SPANS = {" a day": "today", " a week": "this week", " a month": "this month", " in all": "in all"}
_ORDER = [Budget.Scope.ACCESS_KEY, Budget.Scope.MEMBER, Budget.Scope.MODEL, Budget.Scope.TEAM]


@dataclass(frozen=True, slots=True)
class Row:
    """A limit as it was at the request. Amounts are nano-dollars where `is_money`, else counted."""

    name: str
    note: str
    is_money: bool
    bar: Bar
    resets_at: datetime | None
    who_can_raise: tuple[str, ...]
    verdict: str  # fits, short, or unreached
    key: str = ""  # what the form that asks for more calls it: a budget's number or credit
    window: str = ""
    wait: str = ""  # from the request until it starts anew, such as 6 d 14 h

    @property
    def left(self) -> int:
        """Negative where a limit was set lower than what was spent."""
        return self.bar.limit - self.bar.spent - self.bar.held

    @property
    def remaining(self) -> int:
        return max(0, self.left)

    @property
    def used(self) -> int:
        return self.bar.spent + self.bar.held

    @property
    def short(self) -> int:
        return self.bar.asked - self.left

    @property
    def sentence(self) -> str:
        """The bar in words."""
        amount = usd if self.is_money else "{:,}".format
        held = f", {amount(self.bar.held)} held" if self.bar.held else ""
        asked = f", {amount(self.bar.asked)} asked for" if self.bar.asked else ""
        return f"{amount(self.bar.spent)} of {amount(self.bar.limit)} spent{held}{asked}"


@dataclass(frozen=True, slots=True)
class CostLine:
    words: str
    tokens: int
    per_million_nanousd: int
    nanousd: int


@dataclass(frozen=True, slots=True)
class Explanation:
    receipt: Receipt
    chip: str
    headline: str
    sentence: str
    rows: list[Row]
    cost: list[CostLine]
    most_nanousd: int
    least_nanousd: int | None  # where less than the most would do
    is_ours: bool  # refused by a limit of the team, not by a provider
    answer: str

    @property
    def short(self) -> list[Row]:
        """The limits of money that stand in the way, the tightest first."""
        rows = [row for row in self.rows if row.is_money and row.verdict == "short"]
        return sorted(rows, key=lambda row: row.left)

    @property
    def is_about_money(self) -> bool:
        return any(row.is_money for row in self.rows)

    @property
    def access_verdict(self) -> str:
        return "short" if self.receipt.status == 403 else "fits"

    @property
    def left_nanousd(self) -> int:
        return max(0, min((row.left for row in self.rows if row.is_money), default=0))


def receipt_of(caller: Caller, request_id: str) -> Receipt:
    """A receipt that is the caller's own, or any of the team's for admins. Raises NotFound."""
    found = Receipt.objects.filter(team=caller.team, request_id=request_id, status__in=STATUSES)
    if not caller.has_role(Membership.Role.ADMIN):
        found = found.filter(user=caller.user)
    receipt = found.select_related("user", "team", "access_key").first()
    if receipt is None:
        raise NotFound("There is no such refused request of yours. Check the request id.")
    return receipt


def explain(receipt: Receipt) -> Explanation:
    facts: dict[str, Any] = receipt.refusal or {}
    is_ours = receipt.outcome == Receipt.Outcome.REFUSED
    rows = list(_rows(receipt, facts)) if is_ours else []
    cost = _cost(receipt, facts) if any(row.is_money for row in rows) else []
    asked = max((row.bar.asked for row in rows if row.is_money), default=0)
    most = max(asked, sum(line.nanousd for line in cost))
    least = asked if asked < most else None
    return Explanation(
        receipt=receipt,
        chip=f"{receipt.status} refused, not sent, cost nothing" if is_ours else f"{receipt.status} from the provider",
        headline=_headline(receipt, rows, is_ours=is_ours),
        sentence=_sentence(facts, rows, is_least=least is not None),
        rows=rows,
        cost=cost,
        most_nanousd=most,
        least_nanousd=least,
        is_ours=is_ours,
        answer=_answer(receipt, facts),
    )


def who(receipt: Receipt) -> str:
    if receipt.access_key:
        return f"{receipt.user.name}, with key {receipt.access_key.name}"
    return f"{receipt.user.name}, in the playground"


# The limits


def _rows(receipt: Receipt, facts: dict[str, Any]) -> Iterator[Row]:
    """In the order they are checked: paces, then the budgets from the nearest to the widest, then the credit."""
    limits = facts.get("limits") or []
    ids = [limit["budget_id"] for limit in limits if limit.get("budget_id")]
    scopes = dict(Budget.objects.filter(wallet_id=receipt.team_id, pk__in=ids).values_list("pk", "scope"))

    def order(limit: dict[str, Any]) -> int:
        if limit.get("unit") != "nanousd":
            return 0
        if not limit.get("budget_id"):
            return 1 + len(_ORDER)
        return 1 + _ORDER.index(Budget.Scope(scopes.get(limit["budget_id"], Budget.Scope.TEAM)))

    for limit in sorted(limits, key=order):
        yield _row(limit, receipt)


def _row(limit: dict[str, Any], receipt: Receipt) -> Row:
    name, is_money = limit["name"], limit.get("unit", "nanousd") == "nanousd"
    key = window = ""
    if not is_money:
        title, _, pace = name.partition("'s limit of ")
        name, note = f"Pace of {title}", pace
    elif limit.get("budget_id"):
        window = next((window for window in _WINDOWS if name.endswith(window)), "")
        name, note = name.removesuffix(window), f"{usd(limit['limit'])}{window}"
        key = str(limit["budget_id"])
    else:
        name, note, key = f"{receipt.team.name}'s credit", "Prepaid, shared by the team", "credit"
    resets_at = parse_datetime(limit.get("resets_at") or "")
    return Row(
        name=_capitalised(name),
        note=note,
        is_money=is_money,
        bar=Bar(limit["limit"], limit["spent"], limit["held"], limit["asked"]),
        resets_at=resets_at,
        who_can_raise=tuple(limit.get("who_can_raise") or ()),
        verdict="fits" if limit["allows"] else "short",
        key=key,
        window=window,
        wait=_wait(resets_at - receipt.began_at) if resets_at else "",
    )


def _wait(passes: timedelta) -> str:
    seconds = max(0, math.ceil(passes.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    days, minutes = seconds // 86_400, seconds % 86_400 // 60
    return f"{days} d {minutes // 60} h" if days else f"{minutes // 60} h {minutes % 60} min"


def _capitalised(name: str) -> str:
    """People's names stay as they write them."""
    return name[:1].upper() + name[1:] if name.startswith(("the ", "key ", "model ")) else name


# The words


def _headline(receipt: Receipt, rows: list[Row], *, is_ours: bool) -> str:
    if not is_ours:
        return f"{receipt.provider_name or 'The provider'} refused it"
    short = min((row for row in rows if row.verdict == "short"), key=lambda row: row.left, default=None)
    if short is not None and short.is_money:
        return f"{short.name} is {usd(short.short)} short"
    if short is not None:
        return f"More than {short.note}"
    if receipt.code == "model_unpriced":
        return f"Nobody has said what {(receipt.refusal or {}).get('model', receipt.model_id)} costs"
    return {403: f"{receipt.user.name} may not do this", 429: "Too many requests"}.get(
        receipt.status, "There was not enough money"
    )


def _sentence(facts: dict[str, Any], rows: list[Row], *, is_least: bool) -> str:
    money_rows = [row for row in rows if row.is_money and row.verdict == "short"]
    if not money_rows:
        return str(facts.get("detail", ""))
    tightest, *others = sorted(money_rows, key=lambda row: row.left)
    cost = "needs at least" if is_least else "could cost up to"
    span = _SPANS.get(tightest.window)
    of = f" of {usd(tightest.bar.limit)} {span}" if span else ""
    also = "Everything else fits." if not others else f"{_listed([row.name for row in others])} would not do either."
    return f"The request {cost} {usd(tightest.bar.asked)}, and {usd(max(0, tightest.left))}{of} was left. {also}"


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


# The money


def _cost(receipt: Receipt, facts: dict[str, Any]) -> list[CostLine]:
    price = receipt.price or {}
    if not price or "prompt_tokens" not in facts:
        return []
    lines = [
        (
            "Prompt, at most",
            facts["prompt_tokens"],
            max(price.get("prompt_picousd") or 0, price.get("cached_picousd") or 0),
        ),
        ("Longest answer,", facts.get("output_tokens") or 0, price.get("completion_picousd") or 0),
    ]
    return [
        CostLine(words, tokens, picousd * MILLION // money.PICO_PER_NANO, money.cost_nanousd([(tokens, picousd)]))
        for words, tokens, picousd in lines
    ]


def is_newest(turn: Turn) -> bool:
    """Whether the reply can be written again: nothing stands below it."""
    return not turn.conversation.turns.filter(pk__gt=turn.pk).exists()


def turn_of(caller: Caller, receipt: Receipt) -> Turn | None:
    """The reply in the caller's playground that was refused, unless its conversation is gone."""
    own = Turn.objects.filter(conversation__team=caller.team, conversation__owner=caller.user)
    return own.select_related("conversation").filter(request_id=receipt.request_id).first()


# Asking


def request_for(caller: Caller, explanation: Explanation) -> MoneyRequest | None:
    """What the caller asked because of this request, or what they wait for of the limits it ran into."""
    own = raises.shown(caller).filter(user=caller.user)
    of_this = own.filter(receipt_request_id=explanation.receipt.request_id).first()
    if of_this is not None:
        return of_this
    budget_ids = [int(row.key) for row in explanation.short if row.key != "credit"]
    return own.filter(state=MoneyRequest.State.OPEN, budget__in=budget_ids).first()


@dataclass(frozen=True, slots=True)
class Pick:
    """An amount to choose with one press: as typed, as shown, and what it is good for."""

    amount: str
    words: str
    says: str


def picks(explanation: Explanation) -> list[Pick]:
    """Three round amounts, the first of which covers ten times what was short."""
    least = max(10 * explanation.short[0].short, money.NANO)
    rounds = (digit * 10**power for power in range(9, 19) for digit in (1, 2, 5))
    return [
        Pick(f"{amount // money.NANO}.00", f"${amount // money.NANO:,}", _calls(amount, explanation.most_nanousd))
        for amount in islice((amount for amount in rounds if amount >= least), 3)
    ]


def _calls(amount: int, most_nanousd: int) -> str:
    calls = amount // most_nanousd if most_nanousd else 0
    return f"about {calls:,} call{'' if calls == 1 else 's'} like this" if calls else ""


def last_day(row: Row, team: Team, *, at: datetime) -> date:
    """The last day of the limit's window that runs now; of what never starts anew, a month from now."""
    zone = ZoneInfo(team.time_zone)
    window = {" a day": Budget.Window.DAY, " a week": Budget.Window.WEEK, " a month": Budget.Window.MONTH}
    if row.window not in window:
        return at.astimezone(zone).date() + timedelta(days=30)
    _, ends_at = budgets.span(window[row.window], at=at, zone=zone)
    return ends_at.astimezone(zone).date() - timedelta(days=1)


# What went over the wire


def _answer(receipt: Receipt, facts: dict[str, Any]) -> str:
    """The JSON of the refusal as the API gives it, without what only the receipt knows."""
    told = {name: value for name, value in facts.items() if name not in ("detail", "prompt_tokens", "output_tokens")}
    refusal = refusals.Refusal(facts.get("detail", ""), code=receipt.code, facts=told)
    refusal.type = STATUSES[receipt.status].type
    body = refusals.envelope(refusal, request_id=receipt.request_id)
    return json.dumps(body, indent=2, ensure_ascii=False)
