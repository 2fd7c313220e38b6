"""The pages of django-allauth that make sense here, each with who may come through it and why.

Left out until something needs them: several e-mail addresses a person and their confirmation, asking for the password
again, login by code, setting a first password (nobody is without one).
"""

from collections.abc import Callable
from functools import wraps

from allauth.account import views as allauth
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import path, re_path

from accounts import people
from accounts.policies import anonymous, signed_in
from accounts.refusals import Unavailable

type Page = Callable[..., HttpResponseBase]


def _once_founded(page: Page) -> Page:
    """Nobody can sign in to an installation without people: to the first run instead."""

    @wraps(page)
    def guarded(request: HttpRequest) -> HttpResponseBase:
        return page(request) if people.is_founded() else redirect("home")

    return guarded


def _where_mail_is_sent(page: Page) -> Page:
    """Says so instead of promising a mail that never comes. The page itself shows no form then."""

    @wraps(page)
    def guarded(request: HttpRequest) -> HttpResponseBase:
        if request.method == "POST" and not settings.SENDS_MAIL:
            raise Unavailable(
                "This installation sends no mail. Whoever runs it sets a new password with "
                "python3 manage.py changepassword <e-mail>."
            )
        return page(request)

    return guarded


urlpatterns = [
    path("login/", anonymous("people sign in here")(_once_founded(allauth.login)), name="account_login"),
    path("logout/", anonymous("without a session it leads to the login")(allauth.logout), name="account_logout"),
    path(
        "signup/",
        anonymous("tells how to get in; makes accounts only where EMMA18_SIGNUP=open")(_once_founded(allauth.signup)),
        name="account_signup",
    ),
    path(
        "inactive/",
        anonymous("says why a right password was not enough")(allauth.account_inactive),
        name="account_inactive",
    ),
    path("password/change/", signed_in()(allauth.password_change), name="account_change_password"),
    path(
        "password/reset/",
        anonymous("who forgot the password cannot sign in")(_where_mail_is_sent(allauth.password_reset)),
        name="account_reset_password",
    ),
    path(
        "password/reset/done/",
        anonymous("says the same whether or not the address has an account")(allauth.password_reset_done),
        name="account_reset_password_done",
    ),
    re_path(
        r"^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        anonymous("the key in the link is the credential")(allauth.password_reset_from_key),
        name="account_reset_password_from_key",
    ),
    path(
        "password/reset/key/done/",
        anonymous("says that the password was changed")(allauth.password_reset_from_key_done),
        name="account_reset_password_from_key_done",
    ),
]
