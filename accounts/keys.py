"""Access keys: issuing, recognising, changing, rotating and revoking them. The only writer of AccessKey rows.

A key is `sk-` and 40 base62 characters, the last six a checksum of the rest, so that a mistyped or invented key is
turned away without asking the database. Only the SHA-256 is stored: 34 random characters (202 bits) need no slow hash.

A key has one secret, and for a while after a rotation the one before it. Never more: rotating again ends the oldest.
What a key may spend is a budget, kept by `budgets.py`; its pace is counted by `rates.py`.
"""

import hashlib
import re
import secrets
import string
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts import audit, budgets, model_ids
from accounts.budgets import Subject
from accounts.callers import Caller
from accounts.models import AccessKey, AccessKeyQuerySet, Budget, Membership, Team, User
from accounts.prepared import Prepared
from accounts.refusals import BadRequest, Conflict, Forbidden, NotFound, Unauthorized
from accounts.shared_reads import once_a_group

_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_SHAPE = re.compile(r"sk-[0-9A-Za-z]{40}", re.ASCII)
RANDOM_BYTES = 32  # 256 bits for 34 digits of 5.95: what is left over keeps every digit even
LAST_USED_EVERY = timedelta(minutes=1)
CLIENT_EVERY = timedelta(seconds=5)  # two programs that share a key take turns: not each of them writes
LONGEST_OVERLAP = timedelta(days=7)
MOST = {"requests_per_minute": 1_000_000, "tokens_per_minute": 1_000_000_000, "concurrent_requests": 10_000}
NAMED_AT_MOST = 5  # models in a sentence


# What a key is made of


def _checksum(body: str) -> str:
    value = zlib.crc32(body.encode())
    digits = ""
    for _ in range(6):
        value, digit = divmod(value, 62)
        digits = _BASE62[digit] + digits
    return digits


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def drawn_from(random: bytes) -> str:
    """The key that this much randomness makes."""
    value = int.from_bytes(random)
    body = ""
    for _ in range(34):
        value, digit = divmod(value, 62)
        body += _BASE62[digit]
    return f"sk-{body}{_checksum(body)}"


def has_valid_shape(key: str) -> bool:
    return _SHAPE.fullmatch(key) is not None and _checksum(key[3:-6]) == key[-6:]


def _secret(key: str) -> dict[str, str]:
    """The columns that follow from a key."""
    return {"digest": _digest(key), "prefix": key[:7], "last_four": key[-4:]}


# Issuing and changing


@dataclass(frozen=True, slots=True)
class Limits:
    """What a key may do beside what its owner may. None is no limit of the key's own."""

    allowed_models: Iterable[str] | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent_requests: int | None = None
    expires_at: datetime | None = None
    spend_nanousd: int | None = None
    spend_window: Budget.Window = Budget.Window.MONTH

    def columns(self) -> dict[str, Any]:
        return {
            "allowed_models": None if self.allowed_models is None else sorted(set(self.allowed_models)),
            "requests_per_minute": self.requests_per_minute,
            "tokens_per_minute": self.tokens_per_minute,
            "concurrent_requests": self.concurrent_requests,
            "expires_at": self.expires_at,
        }


NO_LIMITS = Limits()


@transaction.atomic
def issue(
    caller: Caller, *, name: str, owner: User | None = None, limits: Limits = NO_LIMITS, key: str = ""
) -> tuple[AccessKey, str]:
    """Make a key, for the caller unless an admin names somebody else. Returns its row and the key itself, which cannot
    be had again. Raises BadRequest, Forbidden.

    `key` is for the demo team alone, whose key is derived from a secret of the installation instead of drawn.
    """
    name = _checked_name(name)
    owner = owner or caller.user
    _check_may_hold(caller, owner)
    _check(caller.team, limits)
    key = key or drawn_from(secrets.token_bytes(RANDOM_BYTES))
    row = AccessKey.objects.create(team=caller.team, owner=owner, name=name, **_secret(key), **limits.columns())
    _limit_spending(caller, row, limits)
    facts = {} if owner == caller.user else {"for": owner.name}
    _record(caller, row, "key made", **facts, **_told(limits.columns(), of=NO_LIMITS.columns()))
    return row, key


@transaction.atomic
def change(caller: Caller, *, public_id: str, name: str, limits: Limits) -> AccessKey:
    """Give a key another name and other limits; they hold from the next request on. Raises BadRequest, NotFound,
    Conflict."""
    row = find_visible(caller, public_id)
    columns = {"name": _checked_name(name), **limits.columns()}
    before = {column: getattr(row, column) for column in columns}
    _check(caller.team, limits, kept=row)
    if not AccessKey.objects.filter(pk=row.pk, revoked_at=None).update(**columns):
        raise _is_revoked(row)
    for column, value in columns.items():
        setattr(row, column, value)
    _limit_spending(caller, row, limits)
    if columns != before:
        _record(caller, row, "key changed", **_told(columns, of=before))
    return row


def _limit_spending(caller: Caller, row: AccessKey, limits: Limits) -> None:
    """Let the key have that budget and no other."""
    for budget in Budget.objects.filter(access_key=row).select_related("access_key"):
        if limits.spend_nanousd is None or budget.window != limits.spend_window:
            budgets.lift(budget, by=caller.user)
        elif budget.hard_nanousd == limits.spend_nanousd:
            return
    if limits.spend_nanousd is not None:
        budgets.limit(
            caller.team,
            by=caller.user,
            subject=Subject(access_key=row),
            window=limits.spend_window,
            hard_nanousd=limits.spend_nanousd,
        )


def _checked_name(name: str) -> str:
    name = name.strip()
    if not 1 <= len(name) <= 80 or not name.isprintable():
        raise BadRequest(
            "Give the key a name of 1 to 80 characters, such as the program that will use it.", param="name"
        )
    return name


def _check_may_hold(caller: Caller, owner: User) -> None:
    """A key acts for its owner. Whoever makes one for somebody else, or sees its secret, must be able to do as much."""
    if owner.pk == caller.user.pk:
        return
    membership = Membership.objects.filter(team=caller.team, user=owner).first()
    if membership is None:
        raise BadRequest(f"{owner.name} is not in {caller.team.name}.", param="owner")
    if not caller.has_role(Membership.Role.ADMIN) or not caller.has_role(Membership.Role(membership.role)):
        raise Forbidden(f"A key of {owner.name} acts for them, and your role is {caller.role}. Ask them to do this.")
    if membership.role == Membership.Role.VIEWER:
        raise BadRequest(f"{owner.name} is a viewer and cannot call models. Make them a member first.", param="owner")


def _check(team: Team, limits: Limits, *, kept: AccessKey | None = None) -> None:
    """Raises BadRequest. What the key `kept` has already may stay: a model that is gone, an end that is over."""
    for name, most in MOST.items():
        value = getattr(limits, name)
        if value is not None and (type(value) is not int or not 1 <= value <= most):
            raise BadRequest(f"Enter a whole number from 1 to {most:,}, or nothing for no limit.", param=name)
    if limits.allowed_models is not None:
        chosen = set(limits.allowed_models)
        if not chosen:
            raise BadRequest("Choose at least one model, or let the key call all of them.", param="allowed_models")
        unknown = chosen - set(model_ids.of(team)) - set(kept and kept.allowed_models or ())
        if unknown:
            raise BadRequest(f"There is no model {min(unknown)[:100]!r} in {team.name}.", param="allowed_models")
    ends_as_before = kept is not None and kept.expires_at == limits.expires_at
    if limits.expires_at is not None and limits.expires_at <= timezone.now() and not ends_as_before:
        raise BadRequest("That is over already. Choose today or a later day.", param="expires_at")


@transaction.atomic
def rotate(caller: Caller, *, public_id: str, overlap: timedelta) -> tuple[AccessKey, str]:
    """Give a key a new secret. The one it had works until the overlap is over, which may be at once; one that was left
    from an earlier rotation ends now. Of two who rotate at once, one does. Raises BadRequest, Forbidden, NotFound,
    Conflict."""
    row = find_visible(caller, public_id)
    _check_may_hold(caller, row.owner)
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise BadRequest(f"Let both keys work for at most {LONGEST_OVERLAP.days} days.", param="overlap")
    now = timezone.now()
    if row.is_expired(at=now):
        raise BadRequest(f"{row.name} has expired. Choose a later end for it first.", param="overlap")
    key = drawn_from(secrets.token_bytes(RANDOM_BYTES))
    columns = {
        **_secret(key),
        "rotated_at": now,
        "secret_used_at": None,
        "previous_digest": row.digest,
        "previous_until": now + overlap,
    }
    if not AccessKey.objects.filter(pk=row.pk, digest=row.digest, revoked_at=None).update(**columns):
        row.refresh_from_db()
        raise _is_revoked(row) if row.revoked_at else Conflict(f"{row.name} was rotated a moment ago by somebody else.")
    for column, value in columns.items():
        setattr(row, column, value)
    _record(caller, row, "key rotated", old_one_until=f"{now + overlap:%Y-%m-%d %H:%M} UTC")
    return row, key


@transaction.atomic
def revoke(caller: Caller, *, public_id: str) -> AccessKey:
    """End a key for good, both its secrets. Its owner may, and admins may for the whole team; a repeat changes
    nothing."""
    row = find_visible(caller, public_id)
    if AccessKey.objects.filter(pk=row.pk, revoked_at=None).update(revoked_at=timezone.now()):
        _record(caller, row, "key revoked")
    return row


def visible_to(caller: Caller) -> AccessKeyQuerySet:
    """The team's keys for admins, one's own for everybody else."""
    own = Q() if caller.has_role(Membership.Role.ADMIN) else Q(owner=caller.user)
    return AccessKey.objects.filter(own, team=caller.team)


def possible_owners(caller: Caller) -> list[tuple[int, str]]:
    """Whom the caller may make a key for, by number and name; themselves first."""
    others = caller.team.memberships.exclude(user=caller.user).exclude(role=Membership.Role.VIEWER).order_by("pk")
    if not caller.has_role(Membership.Role.ADMIN):
        return [(caller.user.pk, caller.user.name)]
    found = others.values_list("user_id", "user__name", "role")
    below = [(number, name) for number, name, role in found if caller.has_role(Membership.Role(role))]
    return [(caller.user.pk, caller.user.name), *below]


def find_visible(caller: Caller, public_id: str) -> AccessKey:
    """Raises NotFound."""
    row = visible_to(caller).select_related("owner", "team").filter(public_id=public_id).first()
    if row is None:
        raise NotFound("There is no such access key in this team.")
    return row


def _is_revoked(row: AccessKey) -> Conflict:
    return Conflict(f"{row.name} was revoked. Create another key in its place.")


def _told(columns: dict[str, Any], *, of: dict[str, Any]) -> dict[str, Any]:
    """For the audit log: what of these differs from what was."""
    words = {"allowed_models": "models", "concurrent_requests": "requests_at_once", "expires_at": "until"}
    told: dict[str, Any] = {}
    for column, value in columns.items():
        if value == of[column]:
            continue
        match value:
            case None:
                value = "without end" if column == "expires_at" else "all" if column == "allowed_models" else "no limit"
            case datetime():
                value = value.isoformat()
            case list():
                value = _listed(value)
        told[words.get(column, column)] = value
    return told


def _record(caller: Caller, row: AccessKey, action: str, **facts: Any) -> None:
    audit.record(caller.team.pk, actor=caller.user, action=action, subject=row.label, **facts)


# What a key may call


def may_call(caller: Caller, *names: str) -> bool:
    """Whether the caller's key is for the model of these names. Browsers have none and may call them all."""
    key = caller.access_key
    return key is None or key.allowed_models is None or not set(names).isdisjoint(key.allowed_models)


def check_model(caller: Caller, asked: str, *other_names: str) -> None:
    """Raises Forbidden, naming the key and what it may call."""
    key = caller.access_key
    if key is not None and key.allowed_models is not None and not may_call(caller, asked, *other_names):
        raise Forbidden(
            f"Key {key.name} may call {_listed(key.allowed_models)} only, not {asked[:100]!r}. Use another key, or "
            f"let this one call it on the Keys & Balance page.",
            code="model_not_allowed",
            param="model",
        )


def _listed(ids: list[str]) -> str:
    shown = [*ids[:NAMED_AT_MOST], *([f"{len(ids) - NAMED_AT_MOST} more"] if len(ids) > NAMED_AT_MOST else [])]
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))


# Recognising


def find(key: str) -> AccessKey | None:
    """The row of a key, usable or revoked."""
    return AccessKey.objects.filter(digest=_digest(key)).first()


# In the order of the model's fields, as from_db takes them.
_KEY = (
    *("id", "public_id", "name", "digest", "prefix", "last_four", "created_at", "last_used_at", "last_client"),
    *("expires_at", "secret_used_at", "previous_until", "allowed_models"),
    *("requests_per_minute", "tokens_per_minute", "concurrent_requests"),
)
_TEAM = ("id", "public_id", "name", "may_use_unpriced")
_OWNER = ("id", "email", "name")
_USABLE_BY_DIGEST = Prepared(
    lambda digest: (
        AccessKey.objects.usable()
        .filter(Q(digest=digest) | Q(previous_digest=digest))
        .values_list(
            *_KEY,
            *(f"team__{name}" for name in _TEAM),
            *(f"owner__{name}" for name in _OWNER),
            "team__memberships__role",
        )
    ),
    digest="<digest>",
)


@once_a_group
def caller_with(authorization: str, *, client: str = "") -> Caller:
    """Who comes with this Authorization header, by a program that calls itself `client`. Raises Unauthorized. One
    query, none if the key cannot be ours."""
    scheme, _, key = authorization.partition(" ")
    key = key.strip()
    if not key or scheme.lower() != "bearer":
        raise Unauthorized(
            "No access key was sent. Send one of yours in the Authorization header, after the word Bearer."
        )
    digest = _digest(key)
    found = _USABLE_BY_DIGEST.rows(digest=digest) if has_valid_shape(key) else []
    if not found:
        raise Unauthorized(
            "This access key is invalid or was revoked. Create another on the Keys & Balance page of this EMMA18."
        )
    *values, role = found[0]
    columns = iter(values)
    access_key = AccessKey.from_db("default", _KEY, [*islice(columns, len(_KEY))])
    now = timezone.now()
    is_current = access_key.digest == digest
    _check_not_over(access_key, is_current, now)
    _note_use(access_key, is_current, client, now)
    return Caller(
        team=Team.from_db("default", _TEAM, [*islice(columns, len(_TEAM))]),
        user=User.from_db("default", _OWNER, [*columns]),
        role=Membership.Role(role),
        access_key=access_key,
    )


def _check_not_over(access_key: AccessKey, is_current: bool, now: datetime) -> None:
    if access_key.is_expired(at=now):
        raise Unauthorized(
            f"This access key expired on {access_key.expires_at:%Y-%m-%d at %H:%M} UTC. Choose a later end for it on "
            "the Keys & Balance page of this EMMA18, or create another there.",
            code="expired_api_key",
        )
    if not is_current and not access_key.is_rotating(at=now):
        raise Unauthorized(
            "This access key was exchanged for a new one, and stopped working on "
            f"{access_key.previous_until:%Y-%m-%d at %H:%M} UTC. Use the new one, ending in {access_key.last_four}.",
            code="expired_api_key",
        )


def _note_use(access_key: AccessKey, is_current: bool, client: str, now: datetime) -> None:
    """Once a minute, and at once what people wait to see: the first use of a secret, and another program."""
    unseen = now - access_key.last_used_at if access_key.last_used_at else None
    is_first = is_current and access_key.secret_used_at is None
    is_other = client not in ("", access_key.last_client)
    if is_first or unseen is None or unseen > LAST_USED_EVERY or (is_other and unseen > CLIENT_EVERY):
        AccessKey.objects.filter(pk=access_key.pk).update(
            last_used_at=now,
            last_client=client or access_key.last_client,
            **({"secret_used_at": now} if is_first else {}),
        )
