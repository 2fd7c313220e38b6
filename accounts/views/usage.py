"""The Usage page, its export, the log of requests and each request's receipt."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe
from django_htmx.http import push_url

from accounts import exports, itemised, reports, request_log
from accounts.asgi import in_database
from accounts.models import Membership, Receipt
from accounts.policies import CallerRequest, signed_in
from accounts.reports import Asked
from accounts.request_log import Wanted
from accounts.usage import Choice, sees_all

NEWEST = 10  # requests below the usage; the rest have a page of their own


@require_safe
@signed_in()
def usage(request: CallerRequest) -> HttpResponse:
    """Asked for by htmx, everything beside the rail by itself."""
    _forget_blanks(request)
    report = reports.report(request.caller, Asked.from_words(request.GET), now=timezone.now())
    log = request_log.page(request.caller, _wanted(request), size=NEWEST)
    context = {
        "report": report,
        "filters": _filters(report.choices),
        "log": log,
        "has_none": report.is_empty and not log.lines and not report.months and not report.asked.filters.are_set,
        "may_write": request.caller.has_role(Membership.Role.MEMBER),
    }
    return _page(request, "accounts/usage.html", "usage", context)


@require_safe
@signed_in()
def usage_csv(request: CallerRequest) -> StreamingHttpResponse:
    """The days of the same span and filters, member by member, as a table."""
    asked = Asked.from_words(request.GET)
    days = exports.days(request.caller, asked)
    answer = StreamingHttpResponse(_sent(days), content_type="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="{days.file_name}"'
    return answer


async def _sent(days: exports.Days) -> AsyncIterator[str]:
    """A day at a time, with no connection held in between."""
    yield days.head
    for day in days.span.days[: days.span.passed_days]:
        if lines := await in_database(days.lines, day):
            yield lines


@require_safe
@signed_in()
def requests(request: CallerRequest) -> HttpResponse:
    """Asked for by htmx, everything beside the rail by itself."""
    _forget_blanks(request)
    wanted = _wanted(request)
    before, after = (reports.number_from(request.GET.get(name, "")) for name in ("before", "after"))
    context = {
        "log": request_log.page(request.caller, wanted, before=before, after=after),
        "wanted": wanted,
        "filters": _filters(request_log.choices(request.caller, wanted)),
        "shows_all": sees_all(request.caller),
        "outcomes": Receipt.Outcome.values,
        "is_paged": before is not None or after is not None,
    }
    return _page(request, "accounts/requests.html", "requests", context)


@require_safe
@signed_in()
def receipt(request: CallerRequest, request_id: str) -> HttpResponse:
    """Asked for by htmx, a row that opens below the request's own in the log."""
    found = request_log.find(request.caller, request_id)
    name = "accounts/receipt.html" + ("#receipt-row" if _is_partial(request) else "")
    return _varied(render(request, name, {"shown": itemised.of(found), "receipt": found}))


def _wanted(request: CallerRequest) -> Wanted:
    outcome = request.GET.get("outcome", "")
    return Wanted(
        member=reports.number_from(request.GET.get("member", "")),
        key=reports.number_from(request.GET.get("key", "")),
        model=request.GET.get("model") or None,
        outcome=outcome if outcome in Receipt.Outcome.values else "",
        text=request.GET.get("q", "").strip()[:100],
    )


def _filters(offered: Mapping[str, Sequence[Choice]]) -> list[dict[str, Any]]:
    """What there is to choose from as selects, each with its own name while nothing is chosen."""
    return [
        {
            "name": name,
            "label": name.capitalize(),
            "choices": choices,
            "is_set": any(choice.is_chosen for choice in choices),
        }
        for name, choices in offered.items()
    ]


def _forget_blanks(request: CallerRequest) -> None:
    """Take the fields of a form that nobody filled in out of what was asked: all links of the page are made from it."""
    filled = request.GET.copy()
    for name in [name for name, value in request.GET.items() if not value]:
        del filled[name]
    request.GET = filled  # type: ignore[assignment]


def _page(request: CallerRequest, template: str, partial: str, context: dict[str, Any]) -> HttpResponse:
    """The page, or for htmx the part of it that changes, with the address it is to be found at."""
    if not _is_partial(request):
        return _varied(render(request, template, context))
    answer = render(request, f"{template}#{partial}", context)
    return _varied(push_url(answer, request.path + (f"?{request.GET.urlencode()}" if request.GET else "")))


def _is_partial(request: CallerRequest) -> bool:
    return request.htmx.request_type == "partial"


def _varied(answer: HttpResponse) -> HttpResponse:
    patch_vary_headers(answer, ["HX-Request"])  # so that a step back shows no fragment in the page's place
    return answer
