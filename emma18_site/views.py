"""Pages that belong to no room: the first run, the welcome page, health."""

from django.conf import settings
from django.contrib.auth import login
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import heartbeats, people
from accounts.forms import FirstRunForm
from accounts.models import Membership
from accounts.policies import CallerRequest, anonymous, signed_in
from accounts.views.keys import API_PATH
from catalog.connections import is_embedded_running
from catalog.forms import ConnectForm
from catalog.presets import PRESETS
from catalog.sync import EMBEDDED_MODEL
from emma18_site import installation, onboarding
from emma18_site.shell import SCHEME_COOKIE, SCHEMES


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("password")
@anonymous("the first visitor founds the installation; everybody else is sent on")
def home(request: HttpRequest) -> HttpResponse:
    if people.is_founded():
        if request.method == "POST":
            raise people.already_founded()
        return redirect("playground" if request.user.is_authenticated else "account_login")
    form = FirstRunForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        owner, _ = onboarding.found_installation(**form.cleaned_data)
        login(request, owner, backend="allauth.account.auth_backends.AuthenticationBackend")
        return redirect("welcome")
    context = {
        "form": form,
        "installation": installation.parts(),
        "version": settings.VERSION,
        "address": request.build_absolute_uri("/").rstrip("/"),
    }
    return render(request, "accounts/first_run.html", context, status=422 if form.is_bound else 200)


@require_safe
@signed_in()
def welcome(request: CallerRequest) -> HttpResponse:
    may_manage = request.caller.has_role(Membership.Role.ADMIN)
    context = {
        "embedded": {"is_running": is_embedded_running(), "model_id": EMBEDDED_MODEL.id},
        "form": ConnectForm() if may_manage else None,
        "presets": PRESETS,
        "may_manage": may_manage,
        "base_url": request.build_absolute_uri(API_PATH),
    }
    return render(request, "site/welcome.html", context)


@require_POST
@anonymous("a colour scheme is a cookie of the visitor's own")
def choose_scheme(request: HttpRequest) -> HttpResponse:
    scheme = request.POST.get("scheme", "")
    back = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(back, allowed_hosts=None)
    response = redirect(back if is_ours and back.startswith("/") else "home")
    if scheme in SCHEMES:
        response.set_cookie(SCHEME_COOKIE, scheme, max_age=365 * 24 * 3600, samesite="Lax")
    return response


@anonymous("a failed check cannot know who it was")
def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    if request.headers.get("HX-Request"):  # a page has no place in the fragment's target, see static/js/toast.js
        sentence = "This page was open for too long. Nothing was saved: reload it and send again."
        return HttpResponse(sentence, status=403, content_type="text/plain", headers={"HX-Reswap": "none"})
    return render(request, "403_csrf.html", status=403)


@require_safe
@anonymous("monitoring asks whether everything works")
def healthz(request: HttpRequest) -> HttpResponse:
    worker = heartbeats.state()
    parts = {
        "worker": {
            "status": "down" if worker.is_down else "ok" if worker.seen_at else "never seen",
            "last_seen_at": worker.seen_at,
            "waiting": worker.waiting,
            "oldest_waiting_at": worker.oldest_waiting_at,
        }
    }
    status = "down" if worker.is_down else "ok"
    return JsonResponse({"status": status, "parts": parts}, status=503 if worker.is_down else 200)


@require_safe
@anonymous("a load balancer asks whether requests can be served")
def readyz(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return JsonResponse({"status": "ok"})
