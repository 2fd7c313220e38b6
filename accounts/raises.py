"""Asking for more money, and the answers. The only writer of MoneyRequest and BudgetRaise rows.

A member asks for more of a limit that stands in their way: a budget, or the team's credit. An owner or admin answers
once, with the amount and the end of their choice. A budget is raised until then and falls back by itself; credit is
topped up and has no end. Each function is one transaction, its line in the audit log included.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Count, Q, QuerySet, Sum
from django.utils import timezone

from accounts import audit, budgets, ledger, money
from accounts.callers import Caller
from accounts.models import Budget, BudgetRaise, Membership, MoneyRequest, Receipt, Team
from accounts.models.money import MOST_NANOUSD
from accounts.prepared import Prepared
from accounts.refusals import BadRequest, Conflict, Forbidden, NotFound
from accounts.statements import lock_money

LONGEST = timedelta(days=366)
LONGEST_TEXT = 500

Role = Membership.Role
State = MoneyRequest.State


def today(team: Team) -> date:
    """By the team's clock."""
    return timezone.now().astimezone(ZoneInfo(team.time_zone)).date()


def end_of(day: date, team: Team) -> datetime:
    """When that day is over by the team's clock: a raise until then counts the whole day."""
    try:
        after = day + timedelta(days=1)
    except OverflowError:
        raise _too_late() from None
    return datetime(after.year, after.month, after.day, tzinfo=ZoneInfo(team.time_zone))


# Asking


@transaction.atomic
def ask(
    caller: Caller,
    *,
    budget_id: int | None,
    amount_nanousd: int,
    until: datetime | None,
    reason: str,
    receipt_request_id: str = "",
) -> MoneyRequest:
    """Ask for more of a budget, or without one of the team's credit. While it is open, asking again changes it.

    Raises Forbidden to viewers, NotFound for a budget that does not limit the caller, BadRequest with the field.
    """
    if not caller.has_role(Role.MEMBER):
        raise Forbidden("Viewers spend nothing. Ask an owner or admin of the team to make you a member.")
    now = lock_money([caller.team.pk])
    budget = _limiting(caller, budget_id) if budget_id is not None else None
    end = _checked_until(until, now=now) if budget else None
    about = (budgets.describe(budget) if budget else credit_of(caller.team))[:200]
    fresh = {
        "budget": budget,
        "about": about,
        "receipt_request_id": _own_receipt(caller, receipt_request_id),
        "amount_nanousd": money.checked(amount_nanousd),
        "until": end,
        "reason": _checked_text(reason, param="reason", needed="Say in a sentence what it is for."),
    }
    # By the budget itself: keys of one name have budgets that are called the same.
    of_it = {"budget": budget, "until__isnull": budget is None}
    mine = MoneyRequest.objects.filter(team=caller.team, user=caller.user, state=State.OPEN, **of_it)
    if not mine.update(**fresh):
        MoneyRequest.objects.create(team=caller.team, user=caller.user, **fresh)
    audit.record(
        caller.team.pk,
        actor=caller.user,
        action="more asked for",
        subject=about,
        amount_nanousd=amount_nanousd,
        until=_iso(end),
    )
    return mine.get()


def credit_of(team: Team) -> str:
    return f"the credit of {team.name}"


def _limiting(caller: Caller, budget_id: int) -> Budget:
    applies = Q(scope__in=[Budget.Scope.TEAM, Budget.Scope.MODEL]) | Q(user=caller.user)
    own = Budget.objects.filter(applies | Q(access_key__owner=caller.user), wallet_id=caller.team.pk)
    budget = own.select_related("user", "access_key").filter(pk=budget_id, hard_nanousd__isnull=False).first()
    if budget is None:
        raise NotFound("This budget no longer stands in your way. Send your request again.")
    return budget


def _own_receipt(caller: Caller, request_id: str) -> str:
    if request_id and not Receipt.objects.filter(request_id=request_id, team=caller.team, user=caller.user).exists():
        raise NotFound("There is no such request of yours.")
    return request_id


# Answering


@transaction.atomic
def approve(
    caller: Caller, public_id: str, *, amount_nanousd: int, until: datetime | None, answer: str = ""
) -> MoneyRequest:
    """Give more, as much and for as long as the admin says. Raises Conflict for all but the first answer.

    Also raises Forbidden, NotFound, BadRequest with the field.
    """
    now = lock_money([caller.team.pk])
    asked = _to_answer(caller, public_id)
    if not may_answer(caller, asked):
        raise Forbidden("Nobody but an owner approves their own request. Ask another owner or admin.")
    amount = money.checked(amount_nanousd)
    granted_until = None if is_for_credit(asked) else _checked_until(until, now=now)
    _answer(caller, asked, State.APPROVED, answer, now=now, granted_nanousd=amount, granted_until=granted_until)
    if granted_until is None:
        note = f"{asked.user.name} asked: {asked.reason}"[:200]
        ledger.top_up(caller.team, by=caller.user, key=asked.public_id, amount_nanousd=amount, note=note)
    else:
        _raise(asked.budget, amount, until=granted_until, caller=caller, now=now)
    asked.refresh_from_db()
    return asked


@transaction.atomic
def deny(caller: Caller, public_id: str, *, answer: str) -> MoneyRequest:
    """Give nothing, and say why. Raises Conflict for all but the first answer; also Forbidden, NotFound, BadRequest."""
    now = lock_money([caller.team.pk])
    asked = _to_answer(caller, public_id)
    _checked_text(answer, param="answer", needed=f"Tell {asked.user.name} in a sentence why not.")
    _answer(caller, asked, State.DENIED, answer, now=now)
    asked.refresh_from_db()
    return asked


def is_for_credit(asked: MoneyRequest) -> bool:
    """Whether it asks for credit of the team. One for a budget always has an end, also when the budget is gone."""
    return asked.until is None


def may_answer(caller: Caller, asked: MoneyRequest) -> bool:
    """Admins may, but for an admin's own request, which only an owner grants themselves."""
    return caller.has_role(Role.ADMIN) and (asked.user_id != caller.user.pk or caller.role == Role.OWNER)


def _to_answer(caller: Caller, public_id: str) -> MoneyRequest:
    if not caller.has_role(Role.ADMIN):
        raise Forbidden(f"Your role in {caller.team.name} is {caller.role}. An owner or admin answers requests.")
    return find(caller, public_id)


def _answer(
    caller: Caller,
    asked: MoneyRequest,
    state: MoneyRequest.State,
    answer: str,
    *,
    now: datetime,
    granted_nanousd: int | None = None,
    granted_until: datetime | None = None,
) -> None:
    is_first = MoneyRequest.objects.filter(pk=asked.pk, state=State.OPEN).update(
        state=state,
        answer=_checked_text(answer, param="answer"),
        answered_by=caller.user,
        answered_at=now,
        granted_nanousd=granted_nanousd,
        granted_until=granted_until,
    )
    if not is_first:
        answered = MoneyRequest.objects.select_related("answered_by").get(pk=asked.pk)
        who = answered.answered_by.name if answered.answered_by else "Somebody"
        raise Conflict(f"{who} {answered.state} this request already. Nothing was changed by you.")
    audit.record(
        caller.team.pk,
        actor=caller.user,
        action="more given" if state == State.APPROVED else "more denied",
        subject=asked.about,
        to=asked.user.name,
        amount_nanousd=granted_nanousd,
        until=_iso(granted_until),
        answer=answer.strip(),
    )


def _raise(budget: Budget | None, amount: int, *, until: datetime, caller: Caller, now: datetime) -> None:
    if budget is None or budget.hard_nanousd is None:
        raise Conflict("This budget was lifted meanwhile: nothing stands in the way any more. Deny the request.")
    # The sums of limits and raises that the counting makes must stay what a database can hold.
    if budget.hard_nanousd + raised([budget.pk], at=now).get(budget.pk, 0) + amount > MOST_NANOUSD:
        raise BadRequest(f"Raised by that, the budget would exceed {money.dollars(MOST_NANOUSD)}.", param="amount")
    BudgetRaise.objects.create(budget=budget, amount_nanousd=amount, ends_at=until, by=caller.user)


# Reading


def shown(caller: Caller) -> QuerySet[MoneyRequest]:
    """The team's requests for admins, one's own for everybody else; the newest first."""
    own = Q() if caller.has_role(Role.ADMIN) else Q(user=caller.user)
    requests = MoneyRequest.objects.filter(own, team=caller.team)
    return requests.select_related("team", "user", "answered_by", "budget__user", "budget__access_key").order_by("-pk")


def find(caller: Caller, public_id: str) -> MoneyRequest:
    """One the caller may see. Raises NotFound."""
    asked = shown(caller).filter(public_id=public_id).first()
    if asked is None:
        raise NotFound("There is no such request in this team.")
    return asked


_OPEN = Prepared(
    lambda team: (
        MoneyRequest.objects.filter(team=team, state=State.OPEN)
        .order_by()
        .values("team")
        .annotate(count=Count("pk"))
        .values_list("count")
    ),
    team=-1,
)


def open_count(team: Team) -> int:
    return sum(count for (count,) in _OPEN.rows(team=team.pk))


def raised(budget_ids: Iterable[int], *, at: datetime) -> dict[int, int]:
    """By how much each of these budgets is raised at that time; those that are not are left out."""
    sums = BudgetRaise.objects.filter(budget__in=list(budget_ids), ends_at__gt=at).values("budget_id")
    return dict(sums.annotate(sum=Sum("amount_nanousd")).values_list("budget_id", "sum"))


def limit_now(asked: MoneyRequest) -> int | None:
    """What the budget it is for allows at present, raises included; None for credit, or a budget that is gone."""
    if asked.budget is None or asked.budget.hard_nanousd is None:
        return None
    return asked.budget.hard_nanousd + raised([asked.budget.pk], at=timezone.now()).get(asked.budget.pk, 0)


def as_asked(asked: MoneyRequest) -> dict[str, str | date | None]:
    """What an answer starts with: the amount and the last day that were asked for."""
    zone = ZoneInfo(asked.team.time_zone)
    last = asked.until and (asked.until - timedelta(seconds=1)).astimezone(zone).date()
    return {"amount": money.decimal_dollars(asked.amount_nanousd), "until": last}


@dataclass(frozen=True, slots=True)
class News:
    """What a person should hear of their requests, and who answers those that wait."""

    requests: list[MoneyRequest]
    admins: tuple[str, ...]

    @property
    def is_waiting(self) -> bool:
        return any(asked.state == State.OPEN for asked in self.requests)

    @property
    def mark(self) -> str:
        """Changes when there is something new to tell."""
        return "~".join(f"{asked.public_id}.{asked.state}" for asked in self.requests)


def news(caller: Caller) -> News:
    """What the caller should hear at the playground: requests that wait, and answers since their last message there
    was refused for lack of money. With the next message that is answered, all is told."""
    mine = MoneyRequest.objects.filter(team=caller.team, user=caller.user).select_related("team", "answered_by")
    in_playground = Receipt.objects.filter(team=caller.team, user=caller.user, door=Receipt.Door.PLAYGROUND)
    last = in_playground.order_by("-pk").values_list("outcome", "status", "began_at").first()
    told = Q(state=State.OPEN)
    if last and last[:2] == (Receipt.Outcome.REFUSED, 402):
        told |= Q(answered_at__gt=last[2])
    requests = list(mine.filter(told).order_by("pk")[:5])
    return News(requests, who_can_answer(caller) if requests else ())


def refused(request_ids: Iterable[str]) -> dict[str, int]:
    """Those of these requests that a limit of the team refused, with the status the API has for it."""
    receipts = Receipt.objects.filter(request_id__in=list(request_ids), outcome=Receipt.Outcome.REFUSED)
    return dict(receipts.values_list("request_id", "status"))


def who_can_answer(caller: Caller) -> tuple[str, ...]:
    """The names of the owners and admins who may approve what the caller asks for."""
    admins = caller.team.memberships.filter(role__in=[Role.OWNER, Role.ADMIN]).order_by("pk")
    if caller.role != Role.OWNER:
        admins = admins.exclude(user=caller.user)
    return tuple(admins.values_list("user__name", flat=True))


# Checking


def _checked_until(until: datetime | None, *, now: datetime) -> datetime:
    if until is None:
        raise BadRequest("Say until when: a budget is not raised for ever.", param="until")
    if until <= now:
        raise BadRequest("This day is over. Choose today or a later one.", param="until")
    if until > now + LONGEST:
        raise _too_late()
    return until


def _too_late() -> BadRequest:
    return BadRequest("Choose a day within a year. For longer, the budget itself can be set higher.", param="until")


def _checked_text(text: str, *, param: str, needed: str = "") -> str:
    text = text.replace("\x00", "").strip()
    if needed and not text:
        raise BadRequest(needed, param=param)
    if len(text) > LONGEST_TEXT:
        raise BadRequest(f"Shorten this to {LONGEST_TEXT} characters.", param=param)
    return text


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
