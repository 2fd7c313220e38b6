"""Who is asking: a person through a page, or a program with an access key. Made by `policies.py` and `keys.py`."""

from dataclasses import dataclass

from accounts.models import AccessKey, Membership, Team, User

_RANK = {
    Membership.Role.VIEWER: 0,
    Membership.Role.MEMBER: 1,
    Membership.Role.ADMIN: 2,
    Membership.Role.OWNER: 3,
}


@dataclass(frozen=True, slots=True, eq=False)
class Caller:
    """A person acting in one team. `access_key` is the key they came with, or None in the browser.

    Compared by identity: what a group reads once is kept by caller, and to hash four rows for each request is dear.
    """

    user: User
    team: Team
    role: Membership.Role
    access_key: AccessKey | None = None

    def has_role(self, least: Membership.Role) -> bool:
        return _RANK[self.role] >= _RANK[least]
