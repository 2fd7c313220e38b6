from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounts.policies import CallerRequest, signed_in


@require_GET
@signed_in()
def providers(request: CallerRequest) -> HttpResponse:
    return render(request, "catalog/providers.html", {})
