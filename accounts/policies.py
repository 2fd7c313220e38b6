"""Who may come through which door. Every view carries exactly one of these decorators; a test walks all routes.

`@anonymous(reason)` lets everybody in; `@signed_in(least=role)` wants a session and a role in the team;
`@access_key` wants a bearer key and ignores cookies. The last two set `request.caller`.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, cast

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from accounts import keys
from accounts.callers import Caller
from accounts.models import Membership, User
from accounts.refusals import Forbidden

Role = Membership.Role


class CallerRequest(HttpRequest):
    """A request that came through `@signed_in` or `@access_key`."""

    caller: Caller


type View[**P] = Callable[Concatenate[HttpRequest, P], HttpResponseBase]
type CallerView[**P] = Callable[Concatenate[CallerRequest, P], HttpResponseBase]


def anonymous[**P](reason: str) -> Callable[[View[P]], View[P]]:
    """Open to everybody, for the reason given."""

    def decorate(view: View[P]) -> View[P]:
        cast(Any, view).policy = f"anonymous: {reason}"
        return view

    return decorate


def caller_of(request: HttpRequest) -> Caller | None:
    """The signed-in person acting in their team, or None. One query."""
    if not request.user.is_authenticated:
        return None
    user = cast(User, request.user)
    membership = user.memberships.select_related("team").order_by("created_at", "pk").first()
    if membership is None:
        return None
    return Caller(user=user, team=membership.team, role=Role(membership.role))


def signed_in[**P](least: Membership.Role = Role.VIEWER) -> Callable[[CallerView[P]], View[P]]:
    """For people with at least the role given in their team. Others are asked to log in, or told who may."""

    def decorate(view: CallerView[P]) -> View[P]:
        @wraps(view)
        def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path() if request.method == "GET" else "/")
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
        cast(CallerRequest, request).caller = keys.caller_with(request.headers.get("Authorization", ""))
        return view(cast(CallerRequest, request), *args, **kwargs)

    exempt = csrf_exempt(guarded)
    cast(Any, exempt).policy = "access key"
    return exempt
