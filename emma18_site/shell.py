"""What the frame around every page shows: the rooms that exist, the team, the person, the colour scheme."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from accounts.policies import caller_of

SCHEMES = ("system", "light", "dark")
SCHEME_COOKIE = "scheme"
_ROOMS = [
    ("Playground", "playground", "message-square"),
    ("Keys", "keys", "key-round"),
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
        frame["rooms"] = [
            {
                "name": name,
                "url": (url := reverse(view)),
                "icon": icon,
                "is_current": request.path.startswith(url),
            }
            for name, view, icon in _ROOMS
        ]
    return {"shell": frame}
