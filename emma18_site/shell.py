"""What the frame around every page shows: the rooms that exist, the team, the person, the colour scheme."""

from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from accounts import allowances, raises
from accounts.callers import Caller
from accounts.models import Membership
from accounts.policies import caller_of
from videos import gallery

SCHEMES = ("system", "light", "dark")
SCHEME_COOKIE = "scheme"
ON_PHONES = 4  # as many as fit beside "More", which has the others
_ROOMS = [
    ("Playground", "playground", "message-square"),
    ("Models", "models", "boxes"),
    ("Videos", "videos", "clapperboard"),
    ("Usage", "usage", "chart-column"),
    ("Keys & Balance", "keys", "key-round"),
    ("Team", "team", "users"),
    ("Providers", "providers", "plug"),
]


def shell(request: HttpRequest) -> dict[str, Any]:
    scheme = request.COOKIES.get(SCHEME_COOKIE, "")
    frame: dict[str, Any] = {
        "scheme": scheme if scheme in SCHEMES else "system",
        "sends_mail": settings.SENDS_MAIL,
    }
    caller = getattr(request, "caller", None) or (caller_of(request) if hasattr(request, "user") else None)
    if caller is not None:
        frame["team"] = {"name": caller.team.name, "initial": caller.team.name[:1].upper()}
        frame["person"] = {
            "name": caller.user.name,
            "initial": caller.user.name[:1].upper(),
            "role": caller.role.label,
        }
        frame["left"] = allowances.left(caller, at=timezone.now())
        frame["rooms"] = [
            {
                "name": name,
                "is_more": place >= ON_PHONES,
                "url": (url := _url(view)),
                "icon": icon,
                "is_current": request.path.startswith(url),
                "waiting": _waiting(caller) if view == "team" else 0,
                "running": gallery.running(caller.team) if view == "videos" else None,
            }
            for place, (name, view, icon) in enumerate(_ROOMS)
        ]
        frame["more"] = frame["rooms"][ON_PHONES:]
    return {"shell": frame}


@cache
def _url(view: str) -> str:
    return reverse(view)


def _waiting(caller: Caller) -> int:
    """How many requests for more wait for an answer of theirs."""
    return raises.open_count(caller.team) if caller.has_role(Membership.Role.ADMIN) else 0
