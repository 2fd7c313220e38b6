"""Access keys: issuing, recognising and revoking them. The only writer of AccessKey rows.

A key is `sk-` and 40 base62 characters, the last six a checksum of the rest, so that a mistyped or invented key is
turned away without asking the database. Only the SHA-256 is stored: 34 random characters (202 bits) need no slow hash.
"""

import hashlib
import re
import secrets
import string
import zlib
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from accounts.callers import Caller
from accounts.models import AccessKey, AccessKeyQuerySet, Membership, Team, User
from accounts.prepared import Prepared
from accounts.refusals import BadRequest, NotFound, Unauthorized

_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_SHAPE = re.compile(r"sk-[0-9A-Za-z]{40}", re.ASCII)
RANDOM_BYTES = 32  # 256 bits for 34 digits of 5.95: what is left over keeps every digit even
LAST_USED_EVERY = timedelta(minutes=1)


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


def issue(caller: Caller, *, name: str, key: str = "") -> tuple[AccessKey, str]:
    """Make a key for the caller. Returns its row and the key itself, which cannot be had again.

    `key` is for the demo team alone, whose key is derived from a secret of the installation instead of drawn.
    """
    name = name.strip()
    if not 1 <= len(name) <= 80:
        raise BadRequest(
            "Give the key a name of 1 to 80 characters, such as the program that will use it.", param="name"
        )
    key = key or drawn_from(secrets.token_bytes(RANDOM_BYTES))
    row = AccessKey.objects.create(
        team=caller.team,
        owner=caller.user,
        name=name,
        digest=_digest(key),
        prefix=key[:7],
        last_four=key[-4:],
    )
    return row, key


def revoke(caller: Caller, *, public_id: str) -> AccessKey:
    """End a key for good. Its owner may, and admins may for the whole team; a repeat changes nothing."""
    row = visible_to(caller).filter(public_id=public_id).first()
    if row is None:
        raise NotFound("There is no such access key in this team.")
    AccessKey.objects.filter(pk=row.pk, revoked_at=None).update(revoked_at=timezone.now())
    return row


def visible_to(caller: Caller) -> AccessKeyQuerySet:
    """The team's keys for admins, one's own for everybody else."""
    own = Q() if caller.has_role(Membership.Role.ADMIN) else Q(owner=caller.user)
    return AccessKey.objects.filter(own, team=caller.team)


def find(key: str) -> AccessKey | None:
    """The row of a key, usable or revoked."""
    return AccessKey.objects.filter(digest=_digest(key)).first()


_KEY = ("id", "public_id", "last_used_at")
_TEAM = ("id", "public_id", "name")
_OWNER = ("id", "email", "name")
_USABLE_BY_DIGEST = Prepared(
    lambda digest: (
        AccessKey.objects.usable()
        .filter(digest=digest)
        .values_list(
            *_KEY,
            *(f"team__{name}" for name in _TEAM),
            *(f"owner__{name}" for name in _OWNER),
            "team__memberships__role",
        )
    ),
    digest="<digest>",
)


def caller_with(authorization: str) -> Caller:
    """Who comes with this Authorization header. Raises Unauthorized. One query, none if the key cannot be ours."""
    scheme, _, key = authorization.partition(" ")
    key = key.strip()
    if not key or scheme.lower() != "bearer":
        raise Unauthorized(
            "No access key was sent. Send one of yours in the Authorization header, after the word Bearer."
        )
    found = _USABLE_BY_DIGEST.rows(digest=_digest(key)) if has_valid_shape(key) else []
    if not found:
        raise Unauthorized("This access key is invalid or was revoked. Create another on the Keys page of this EMMA18.")
    *values, role = found[0]
    access_key = AccessKey.from_db("default", _KEY, values[:3])
    _note_use(access_key)
    return Caller(
        user=User.from_db("default", _OWNER, values[6:]),
        team=Team.from_db("default", _TEAM, values[3:6]),
        role=Membership.Role(role),
        access_key=access_key,
    )


def _note_use(access_key: AccessKey) -> None:
    now = timezone.now()
    if access_key.last_used_at is None or now - access_key.last_used_at > LAST_USED_EVERY:
        AccessKey.objects.filter(pk=access_key.pk).update(last_used_at=now)
