"""Who may come through which door. Every view carries exactly one of these decorators; a test walks all routes.

`@anonymous(reason)` lets everybody in; `@signed_in(least=role)` wants a session and a role in the team;
`@access_key` wants a bearer key and ignores cookies. The last two set `request.caller`.
"""

from collections.abc import Callable
from datetime import tzinfo
from functools import wraps
from importlib import import_module
from typing import Any, Concatenate, cast
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.views import redirect_to_login
from django.db import connection
from django.http import HttpRequest, HttpResponseBase, parse_cookie
from django.views.decorators.csrf import csrf_exempt
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from accounts import clients, keys
from accounts.callers import Caller
from accounts.models import Membership, Team
from accounts.prepared import Prepared
from accounts.refusals import Forbidden
from accounts.zones import zone_from

Role = Membership.Role


class CallerRequest(HttpRequest):
    """A request that came through `@signed_in` or `@access_key`."""

    caller: Caller
    htmx: HtmxDetails


type View[**P] = Callable[Concatenate[HttpRequest, P], HttpResponseBase]
type CallerView[**P] = Callable[Concatenate[CallerRequest, P], HttpResponseBase]


def anonymous[**P](reason: str) -> Callable[[View[P]], View[P]]:
    """Open to everybody, for the reason given."""

    def decorate(view: View[P]) -> View[P]:
        cast(Any, view).policy = f"anonymous: {reason}"
        return view

    return decorate


_TEAM_FIELDS = [field.attname for field in Team._meta.concrete_fields]
_MEMBERSHIP = Prepared(
    lambda user: (
        Membership.objects.filter(user=user)
        .order_by("created_at", "pk")
        .values_list("role", *(f"team__{name}" for name in _TEAM_FIELDS))[:1]
    ),
    user=-1,
)


def caller_of(request: HttpRequest) -> Caller | None:
    """The signed-in person acting in their team, or None. One query."""
    if not request.user.is_authenticated:
        return None
    user = request.user
    for role, *team in _MEMBERSHIP.rows(user=user.pk):
        return Caller(user=user, team=Team.from_db(connection.alias, _TEAM_FIELDS, team), role=Role(role))
    return None


def _to_login(request: HttpRequest) -> HttpResponseBase:
    """Log in, then go on to where one was going; after a form, to the page it was on."""
    if request.headers.get("HX-Request"):  # a redirect would be followed out of sight and swapped into the page
        try:
            here = urlsplit(request.headers.get("HX-Current-URL", "/"))
        except ValueError:  # no browser sends such an address
            here = urlsplit("/")
        login = redirect_to_login(here.path + (f"?{here.query}" if here.query else ""))
        return HttpResponseClientRedirect(login.url)
    return redirect_to_login(request.get_full_path() if request.method in ("GET", "HEAD") else "/")


def caller_with_session(cookie_header: str) -> Caller | None:
    """The same for a plain ASGI route, from the raw Cookie header."""
    request = HttpRequest()
    request.COOKIES = parse_cookie(cookie_header)
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(
        request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    )
    request.user = get_user(request)
    return caller_of(request)


def zone_with(cookie_header: str) -> tzinfo:
    """The time zone of the browser that sent this Cookie header."""
    return zone_from(parse_cookie(cookie_header))


def signed_in[**P](least: Membership.Role = Role.VIEWER) -> Callable[[CallerView[P]], View[P]]:
    """For people with at least the role given in their team. Others are asked to log in, or told who may."""

    def decorate(view: CallerView[P]) -> View[P]:
        @wraps(view)
        def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return _to_login(request)
            caller = caller_of(request)
            if caller is None:
                raise Forbidden("You are in no team. Ask the person who invited you to add you again.")
            if not caller.has_role(least):
                raise Forbidden(f"Your role in {caller.team} is {caller.role}. Ask an owner or admin to do this.")
            cast(CallerRequest, request).caller = caller
            return view(cast(CallerRequest, request), *args, **kwargs)

        cast(Any, guarded).policy = f"signed in: {least}"
        return guarded

    return decorate


def access_key[**P](view: CallerView[P]) -> View[P]:
    """For programs with an access key. Cookies count for nothing here, so there is nothing to forge."""

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        client = clients.named(*(request.headers.get(name, "") for name in clients.HEADERS))
        authorization = request.headers.get("Authorization", "")
        cast(CallerRequest, request).caller = keys.caller_with(authorization, client=client)
        return view(cast(CallerRequest, request), *args, **kwargs)

    exempt = csrf_exempt(guarded)  # it is the key that authenticates, and no browser sends that by itself
    cast(Any, exempt).policy = "access key"
    return exempt
