"""What a failed provider call means: what the caller hears, whether the next offer is tried, what it says of the
offer's health, whether admins must act.

The one translation from `upstream.errors` to our refusals. A provider's 401 never becomes ours: the caller would doubt
their own key.
"""

import math
from dataclasses import dataclass
from datetime import timedelta

from accounts.refusals import (
    BadRequest,
    Forbidden,
    NotFound,
    ProviderInterrupted,
    ProviderTimeout,
    ProviderUnavailable,
    RateLimited,
    Refusal,
    TooLarge,
    Unavailable,
)
from catalog.breaker import LONGEST_COOLING, Harm
from catalog.models import Cause
from catalog.routing import Health
from upstream.errors import AddressBlocked, Garbled, Interrupted, Redirected, Refused, TimedOut, UpstreamError

# SDKs wait at most this long by themselves; they are told not to try again before a longer wait is over.
LONGEST_RETRY_AFTER_S = 60
FINDING_OUT_S = 30  # by then the request that asks a provider which hung has most likely had its answer
NO_RETRY = {"x-should-retry": "false"}

# What some providers say under another status: OpenAI 429, Volcengine 403 and 404, compared in lower case.
_OUT_OF_FUNDS = {"insufficient_quota", "insufficient_balance", "billing_not_active", "accountoverdueerror"}
_TOO_LONG = {"context_length_exceeded", "exceed_context_size_error"}
_NOT_OPENED = {"modelnotopen", "model_not_found", "invalidendpointormodel.notfound"}


@dataclass(frozen=True, slots=True)
class Failure:
    """`refusal` is the caller's answer if this was the last offer. Without a cause it is no fault of the provider."""

    refusal: Refusal
    cause: Cause | None = Cause.FAILING
    may_try_next: bool = True
    is_for_admins: bool = False


def harm(error: UpstreamError, cause: Cause) -> Harm:
    """What is kept of it, without the provider's own words, which may quote the prompt."""
    match error:
        case Refused():
            sentence = f"It answered {error.status}."
        case Garbled() | Interrupted():
            sentence = error.reason.partition(": ")[0].removesuffix(".") + "."
        case _:
            sentence = error.reason
    return Harm(cause, sentence, cools_s=error.retry_after_s if isinstance(error, Refused) else None)


def left_alone(health: Health, *, provider: str) -> Refusal:
    """The caller's answer where an offer was not asked, because of how it was the last times."""
    wait_s = max(1, math.ceil((health.until - health.now) / timedelta(seconds=1)))
    if health.is_cooling:
        sentence = f"{provider} limits how often it may be asked. It may be asked again in {wait_s} s."
        return RateLimited(sentence, facts={"limit_source": "upstream"}, headers=_wait(wait_s))
    return ProviderTimeout(
        f"{provider} did not answer the last times. One request at a time finds out whether it does again.",
        headers=_wait(min(wait_s, FINDING_OUT_S)),
    )


def _wait(wait_s: float) -> dict[str, str]:
    headers = {"Retry-After": str(math.ceil(wait_s))}
    return headers | NO_RETRY if wait_s > LONGEST_RETRY_AFTER_S else headers


def judge(error: UpstreamError, *, provider: str, model: str) -> Failure:
    """What an error before the first byte means."""
    match error:
        case Refused():
            return _judge_refused(error, provider, model)
        case TimedOut():
            headers = NO_RETRY if error.may_have_billed else {}
            sentence = f"{provider} did not answer in time. {error.reason}"
            return Failure(ProviderTimeout(sentence, headers=dict(headers)), Cause.TIMEOUT)
        case AddressBlocked():
            return Failure(ProviderUnavailable(str(error)), is_for_admins=True)
        case _:
            may_have_billed = isinstance(error, Garbled) and not isinstance(error, Redirected)
            headers = NO_RETRY if may_have_billed else {}
            return Failure(ProviderUnavailable(f"{provider} could not answer. {error.reason}", headers=dict(headers)))


def interruption(error: Interrupted, *, provider: str) -> ProviderInterrupted:
    return ProviderInterrupted(f"{provider} broke off its reply. {error.reason} What came before it is kept.")


def _judge_refused(error: Refused, provider: str, model: str) -> Failure:
    code = (error.code or "").lower()
    if error.status == 402 or code in _OUT_OF_FUNDS:
        sentence = f"{provider}'s account is out of funds. An admin of the team must top it up there."
        refusal = Unavailable(sentence, code="provider_out_of_funds", headers=dict(NO_RETRY))
        return Failure(refusal, Cause.OUT_OF_FUNDS, is_for_admins=True)
    if error.status == 404 or code in _NOT_OPENED:
        sentence = f"{model!r} is not available from {provider} now: {error.reason}"
        return Failure(NotFound(sentence, code="model_not_available", param="model"), Cause.NOT_AVAILABLE)
    if code in _TOO_LONG:
        sentence = (
            f"The conversation is longer than {model} can read. Start a new one, or choose a model with a larger "
            f"context. {provider} says: {error.reason}"
        )
        return _at_fault(BadRequest(sentence, code="context_length_exceeded", param="messages"))
    match error.status:
        case 400 | 422:
            own_code = None if code.isdigit() else error.code
            sentence = f"{provider} rejected the request: {error.reason}"
            return _at_fault(BadRequest(sentence, code=own_code))
        case 413:
            return _at_fault(TooLarge(f"{provider} finds the request too large: {error.reason}"))
        case 401:
            sentence = f"{provider} refused the team's key. An admin of the team must check it under Providers."
            return _key_refused(sentence)
        case 403:
            sentence = f"{provider} does not permit this to the team's account: {error.reason}"
            return _key_refused(sentence)
        case 408:
            return Failure(ProviderTimeout(f"{provider} did not answer in time: {error.reason}"), Cause.TIMEOUT)
        case 429:
            return Failure(_rate_limited(error, provider), Cause.RATE_LIMITED)
        case _:
            sentence = f"{provider} is unavailable ({error.status}): {error.reason}"
            return Failure(ProviderUnavailable(sentence))


def _at_fault(refusal: Refusal) -> Failure:
    """The request itself: it would fail everywhere."""
    return Failure(refusal, cause=None, may_try_next=False)


def _key_refused(sentence: str) -> Failure:
    refusal = Forbidden(sentence, code="provider_permission_denied")
    return Failure(refusal, Cause.KEY_REFUSED, is_for_admins=True)


def _rate_limited(error: Refused, provider: str) -> RateLimited:
    longest_s = LONGEST_COOLING.total_seconds()  # for which the provider is left alone, whatever it says
    headers = {} if error.retry_after_s is None else _wait(min(error.retry_after_s, longest_s))
    sentence = f"{provider} limits how often it may be asked: {error.reason}"
    return RateLimited(sentence, facts={"limit_source": "upstream"}, headers=headers)
