"""Through whose eyes an admin looks at the catalog: their own, a member's or an access key's. Others have their own."""

from dataclasses import replace
from functools import lru_cache
from typing import Any

from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from accounts import people
from accounts.callers import Caller
from accounts.key_names import labelled
from accounts.models import AccessKey, Membership
from accounts.prepared import Prepared

MOST_KEYS = 200


def viewer(caller: Caller, chosen: str) -> Caller:
    """Whose view it is: `member-` with a person's number, or `key-` with an id. Anything else is one's own."""
    if not caller.has_role(Membership.Role.ADMIN):
        return caller
    kind, _, which = chosen.partition("-")
    if kind == "member" and which.isdecimal() and len(which) < 19:
        row = caller.team.memberships.select_related("user").filter(user_id=int(which)).first()
        return Caller(row.user, caller.team, Membership.Role(row.role)) if row else caller
    if kind == "key" and which.isprintable():
        key = AccessKey.objects.usable().select_related("owner").filter(team=caller.team, public_id=which).first()
        if key:
            return replace(people.member(caller.team, user=key.owner), access_key=key)
    return caller


_MEMBERS = Prepared(
    lambda team: Membership.objects.filter(team=team).order_by("user__name", "pk").values_list("user_id", "user__name"),
    team=-1,
)
_KEYS = Prepared(
    lambda team: (
        AccessKey.objects.usable()
        .filter(team=team)
        .order_by("name", "pk")
        .values_list("public_id", "name", "last_four")[:MOST_KEYS]
    ),
    team=-1,
)


def choices(caller: Caller, chosen: str) -> SafeString:
    """As options of a select, empty for who may not choose. Two queries."""
    if not caller.has_role(Membership.Role.ADMIN):
        return SafeString()
    members = tuple(row for row in _MEMBERS.rows(team=caller.team.pk) if row[0] != caller.user.pk)
    return _options(members, tuple(_KEYS.rows(team=caller.team.pk)), chosen)


@lru_cache(maxsize=64)
def _options(members: tuple[tuple[Any, ...], ...], keys: tuple[tuple[Any, ...], ...], chosen: str) -> SafeString:
    found = [(f"member-{user_id}", name) for user_id, name in members]
    found += [(f"key-{public_id}", f"key {labelled(name, last_four)}") for public_id, name, last_four in keys]
    options = ((value, SafeString(" selected" if value == chosen else ""), label) for value, label in found)
    return format_html_join("", '<option value="{}"{}>View as {}</option>', options)
