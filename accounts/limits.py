"""What admins decide on the Team page: budgets, the team's clock, models without a price. One transaction each.

Who may decide what stands here; how a budget counts is known to `budgets.py`.
"""

from django.db import transaction

from accounts import budgets, model_ids, people
from accounts.budgets import Subject
from accounts.callers import Caller
from accounts.models import Budget, Membership, User
from accounts.refusals import BadRequest, Forbidden, NotFound

Role = Membership.Role


@transaction.atomic
def set_budget(
    caller: Caller,
    *,
    member_id: int | None,
    model_id: str,
    window: str,
    hard_nanousd: int | None,
    soft_nanousd: int | None,
) -> Budget:
    """Limit a member, else a model by any of its names, else the whole team. Raises Forbidden, NotFound, BadRequest."""
    _check_admin(caller)
    member = None
    if member_id is not None:
        member = User.objects.filter(pk=member_id, memberships__team=caller.team).first()
        if member is None:
            raise NotFound(f"This person is not in {caller.team.name} any more.")
        _check_not_own(caller, member)
    return budgets.limit(
        caller.team,
        by=caller.user,
        subject=Subject(member=member, model_id="" if member or not model_id else _meant_by(caller, model_id)),
        window=Budget.Window(window),
        hard_nanousd=hard_nanousd,
        soft_nanousd=soft_nanousd,
    )


def _meant_by(caller: Caller, name: str) -> str:
    """What its holds go by: a budget under another name would count nothing."""
    model_id = model_ids.meant_by(caller.team, name)
    if model_id is None:
        raise BadRequest(
            f"There is no model {name[:100]!r} in {caller.team.name}. Enter the id of one that is listed under Models.",
            param="model_id",
        )
    return model_id


@transaction.atomic
def lift_budget(caller: Caller, budget_id: str) -> Budget:
    """Raises Forbidden, NotFound."""
    _check_admin(caller)
    budgets_of_team = Budget.objects.select_related("user", "access_key").filter(wallet_id=caller.team.pk)
    found = budgets_of_team.filter(pk=budget_id).first() if budget_id.isdecimal() else None
    if found is None:
        raise NotFound("There is no such budget. It may have been lifted already.")
    if found.user:
        _check_not_own(caller, found.user)
    budgets.lift(found, by=caller.user)
    return found


@transaction.atomic
def set_time_zone(caller: Caller, time_zone: str) -> None:
    """Raises Forbidden, BadRequest."""
    _check_admin(caller)
    budgets.set_time_zone(caller.team, by=caller.user, time_zone=time_zone)


def set_may_use_unpriced(caller: Caller, may_use_unpriced: bool) -> None:
    """Raises Forbidden."""
    _check_admin(caller)
    people.set_may_use_unpriced(caller.team, by=caller.user, may_use_unpriced=may_use_unpriced)


def _check_admin(caller: Caller) -> None:
    if not caller.has_role(Role.ADMIN):
        raise Forbidden(f"Your role in {caller.team.name} is {caller.role}. Ask an owner or admin to do this.")


def _check_not_own(caller: Caller, member: User) -> None:
    if member.pk == caller.user.pk and caller.role != Role.OWNER:
        raise Forbidden("Nobody but an owner sets their own budget. Ask another owner or admin.")
