from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounts.policies import CallerRequest, signed_in


@require_GET
@signed_in()
def keys(request: CallerRequest) -> HttpResponse:
    return render(request, "accounts/keys.html", {})
