"""Pages that belong to no room: the first run, the welcome page, health."""

from django.contrib.auth import login
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import people
from accounts.forms import FirstRunForm
from accounts.policies import CallerRequest, anonymous, signed_in
from emma18_site import onboarding
from emma18_site.shell import SCHEME_COOKIE, SCHEMES


@require_http_methods(["GET", "POST"])
@anonymous("the first visitor founds the installation; everybody else is sent on")
def home(request: HttpRequest) -> HttpResponse:
    if people.is_founded():
        return redirect("playground" if request.user.is_authenticated else "account_login")
    form = FirstRunForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        owner, _ = onboarding.found_installation(**form.cleaned_data)
        login(request, owner, backend="allauth.account.auth_backends.AuthenticationBackend")
        return redirect("welcome")
    return render(request, "accounts/first_run.html", {"form": form}, status=422 if form.is_bound else 200)


@require_GET
@signed_in()
def welcome(request: CallerRequest) -> HttpResponse:
    return render(request, "site/welcome.html", {})


@require_POST
@anonymous("a colour scheme is a cookie of the visitor's own")
def choose_scheme(request: HttpRequest) -> HttpResponse:
    scheme = request.POST.get("scheme", "")
    response = redirect(request.META.get("HTTP_REFERER") or "home")
    if scheme in SCHEMES:
        response.set_cookie(SCHEME_COOKIE, scheme, max_age=365 * 24 * 3600, samesite="Lax")
    return response


@anonymous("a failed check cannot know who it was")
def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return render(request, "403_csrf.html", status=403)


@require_GET
@anonymous("a load balancer asks whether the process lives")
def healthz(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"status": "ok"})


@require_GET
@anonymous("a load balancer asks whether requests can be served")
def readyz(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return JsonResponse({"status": "ok"})
