"""Credit codes: whoever runs the installation issues them, an admin redeems one for their team. The only writer of
CreditCode rows.

A code is `EM-` and 17 characters of Crockford's base 32, which has no letter that reads as a digit: 80 random bits and
one character that checks the others, so that a mistyped code is turned away without asking the database. Only the
SHA-256 is stored.
"""

import hashlib
import secrets
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts import audit, ledger, money
from accounts.callers import Caller
from accounts.models import CreditCode, Entry, Membership
from accounts.refusals import BadRequest, Conflict, Forbidden, RateLimited, Refusal
from accounts.statements import lock_money

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
RANDOM_LENGTH = 16
MOST_AT_ONCE = 1000

# Guessing 80 bits is hopeless at any pace; this keeps it out of the database and in sight of the other admins.
MOST_FAILED, FAILED_WITHIN = 10, timedelta(hours=1)
FAILED = "code refused"  # in the audit log, where they are counted

# As people type and read them aloud: nothing is lost, since none of these letters is in a code.
_READ = str.maketrans("OILU", "011V", " -\u2010\u2011\u2012\u2013\u2014\u00a0\t")


def issue(*, amount_nanousd: int, count: int = 1, expires_at: datetime | None = None) -> list[str]:
    """Make codes worth that much each. They cannot be had again. Raises BadRequest with the field."""
    amount = money.checked(amount_nanousd)
    if not 1 <= count <= MOST_AT_ONCE:
        raise BadRequest(f"Make from 1 to {MOST_AT_ONCE} codes at once.", param="count")
    if expires_at is not None and expires_at <= timezone.now():
        raise BadRequest("This day is over. Choose today or a later one.", param="expires")
    bodies = [_drawn() for _ in range(count)]
    CreditCode.objects.bulk_create(
        CreditCode(digest=_digest(body), last_four=body[-4:], amount_nanousd=amount, expires_at=expires_at)
        for body in bodies
    )
    return [_written(body) for body in bodies]


def redeem(caller: Caller, typed: str) -> Entry:
    """Add what the code is worth to the caller's team, once. In transactions of its own: a failure is kept.

    Raises BadRequest for what is no code, Conflict for one that is unknown, has expired or is used, RateLimited after
    too many of these, Forbidden to all but admins.
    """
    if not caller.has_role(Membership.Role.ADMIN):
        raise Forbidden(f"Your role in {caller.team.name} is {caller.role}. An owner or admin redeems codes.")
    body = read(typed)
    _check_pace(caller)
    try:
        return _redeem(caller, body)
    except Conflict as refusal:
        _note_failure(caller, body, refusal)
        raise


def read(typed: str) -> str:
    """The characters that count of a code as it was typed. Raises BadRequest if they are not a whole one."""
    body = typed.upper().translate(_READ)
    if len(body) == len("EM") + RANDOM_LENGTH + 1:
        body = body.removeprefix("EM")
    if len(body) != RANDOM_LENGTH + 1 or not set(body) <= set(ALPHABET):
        raise BadRequest("A code is EM and 17 letters and digits, such as EM-XXXX-XXXX-XXXX-XXXXX.", param="code")
    if _check(body[:-1]) != body[-1]:
        raise BadRequest("A character of this code is wrong or two are swapped. Compare it once more.", param="code")
    return body


@transaction.atomic
def _redeem(caller: Caller, body: str) -> Entry:
    now = lock_money([caller.team.pk])
    mine = CreditCode.objects.filter(digest=_digest(body))
    alive = Q(expires_at=None) | Q(expires_at__gt=now)
    taken = mine.filter(alive, redeemed_at=None).update(redeemed_at=now, redeemed_by=caller.user, team=caller.team)
    if not taken:
        raise _useless(caller, mine.select_related("redeemed_by").first())
    code = mine.get()
    return ledger.top_up(
        caller.team,
        by=caller.user,
        key=f"code {code.pk}",
        amount_nanousd=code.amount_nanousd,
        note=f"Code …{code.last_four}",
    )


def _useless(caller: Caller, code: CreditCode | None) -> Conflict:
    if code is None:
        return Conflict("Nobody issued this code here. Ask whoever gave it to you where it is for.", param="code")
    if code.redeemed_at is None:
        end = f"{code.expires_at:%Y-%m-%d %H:%M} UTC"
        return Conflict(f"This code expired on {end}. Ask whoever gave it to you for another.", param="code")
    if code.team_id == caller.team.pk and code.redeemed_by:
        when = f"{code.redeemed_at:%Y-%m-%d %H:%M} UTC"
        return Conflict(f"{code.redeemed_by.name} redeemed this code on {when}. It works once.", param="code")
    return Conflict("This code was redeemed by another team. It works once.", param="code")


def _check_pace(caller: Caller) -> None:
    since = timezone.now() - FAILED_WITHIN
    failed = caller.team.audit_entries.filter(action=FAILED, created_at__gt=since).order_by("created_at")
    if len(moments := list(failed.values_list("created_at", flat=True)[: MOST_FAILED + 1])) < MOST_FAILED:
        return
    wait_s = max(1, round((moments[0] - since).total_seconds()))
    raise RateLimited(
        f"{MOST_FAILED} codes of {caller.team.name} did not work within an hour. Try again in "
        f"{-(-wait_s // 60)} min, with a code you are sure of.",
        param="code",
        headers={"Retry-After": str(wait_s)},
    )


def _note_failure(caller: Caller, body: str, refusal: Refusal) -> None:
    """In a transaction of its own: the refused one is undone."""
    audit.record(caller.team.pk, actor=caller.user, action=FAILED, subject=f"code …{body[-4:]}", note=refusal.detail)


def _drawn() -> str:
    body = "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_LENGTH))
    return body + _check(body)


def _check(body: str) -> str:
    """A checksum in the field of 32 elements: any one wrong character and any two that are swapped change it."""
    value = 0
    for character in body:
        value ^= ALPHABET.index(character)
        value = value << 1 ^ (0b100101 if value & 16 else 0)
    return ALPHABET[value]


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


def _written(body: str) -> str:
    return f"EM-{body[:4]}-{body[4:8]}-{body[8:12]}-{body[12:]}"
