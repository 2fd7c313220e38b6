"""What every request through Django gets: an id, one log line, and refusals in the shape its door speaks.

Plain ASGI routes do the same for themselves with accounts/asgi.py.
"""

import logging
import time
from collections.abc import Callable
from typing import Any, cast

from django.db import DataError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.template.loader import render_to_string
from django.utils import timezone

from accounts.ids import bind_request_id, current_request_id
from accounts.refusals import MethodNotAllowed, Refusal, database_away, envelope, for_status, not_storable
from accounts.zones import zone_from

logger = logging.getLogger(__name__)

type GetResponse = Callable[[HttpRequest], HttpResponseBase]
API_PREFIX = "/api/"
FORMS_ONLY = "This address takes what a form sends and has no page of its own. Go back to the page with the form."


def request_id(get_response: GetResponse) -> GetResponse:
    """Bind an id to the request, answer with it, and log one line when it is done."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        bound = bind_request_id()
        began = time.perf_counter()
        response = get_response(request)
        response.headers["x-request-id"] = bound
        logger.info(
            "request done",
            extra={
                "method": request.method,
                "path": request.path,
                "status": response.status_code,
                "ms": round((time.perf_counter() - began) * 1000, 1),
            },
        )
        return response

    return middleware


def _refusal_as_json(refusal: Refusal) -> JsonResponse:
    body = envelope(refusal, request_id=current_request_id())
    return JsonResponse(body, status=refusal.status, headers=refusal.headers)


def _refusal_as_page(refusal: Refusal, request: HttpRequest, *, has_frame: bool) -> HttpResponse:
    if request.headers.get("HX-Request"):
        # A page has no place in the fragment's target: the sentence becomes a toast, see static/js/toast.js.
        headers = {"HX-Reswap": "none", **refusal.headers}
        return HttpResponse(refusal.detail, status=refusal.status, content_type="text/plain", headers=headers)
    context = {"refusal": refusal, "request_id": current_request_id()}
    page = render_to_string("site/refused.html", context, request if has_frame else None)
    return HttpResponse(page, status=refusal.status, headers=refusal.headers)


def api_errors(get_response: GetResponse) -> GetResponse:
    """Under /api every error is the documented JSON, also one that Django answered by itself."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        is_json = response.headers.get("Content-Type", "").startswith("application/json")
        if response.status_code >= 400 and request.path.startswith(API_PREFIX) and not is_json:
            answer = _refusal_as_json(for_status(response.status_code))
            if allow := response.headers.get("Allow"):
                answer.headers["Allow"] = allow
            return answer
        return response

    return middleware


def time_zone(get_response: GetResponse) -> GetResponse:
    """Show times by the visitor's clock."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        with timezone.override(zone_from(request.COOKIES)):
            return get_response(request)

    return middleware


def refusals_as_pages(get_response: GetResponse) -> GetResponse:
    """Turn a refusal raised by a view, or by Django for its method, into the documented JSON or into a page."""

    def process_exception(request: HttpRequest, exception: Exception) -> HttpResponse | None:
        is_database_away = isinstance(exception, OperationalError | InterfaceError)
        if is_database_away:
            logger.error("database away", exc_info=exception)
            exception = database_away()
        elif isinstance(exception, DataError):
            logger.error("value refused by the database", exc_info=exception)
            exception = not_storable()
        if not isinstance(exception, Refusal):
            return None
        if request.path.startswith(API_PREFIX):
            return _refusal_as_json(exception)
        # Who is asking is in the database too: without it the page has no frame around it.
        return _refusal_as_page(exception, request, has_frame=not is_database_away)

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if response.status_code == 405 and not request.path.startswith(API_PREFIX):
            # A form that was refused is shown at the form's address, which a browser may open again by itself. Django's
            # answer to that has not a word in it.
            headers = {"Allow": response.headers["Allow"]}
            return _refusal_as_page(MethodNotAllowed(FORMS_ONLY, headers=headers), request, has_frame=True)
        return response

    cast(Any, middleware).process_exception = process_exception
    return middleware
