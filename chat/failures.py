"""What a failed provider call means: what the caller hears, whether the next offer is tried, whether admins must act.

The one translation from `upstream.errors` to our refusals. A provider's 401 never becomes ours: the caller would doubt
their own key.
"""

import math
from dataclasses import dataclass

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
from upstream.errors import AddressBlocked, Interrupted, Refused, TimedOut, UpstreamError

# SDKs wait at most this long by themselves; they are told not to try again before a longer wait is over.
LONGEST_RETRY_AFTER_S = 60
NO_RETRY = {"x-should-retry": "false"}

# What some providers say under another status: OpenAI 429, Volcengine 403 and 404, compared in lower case.
_OUT_OF_FUNDS = {"insufficient_quota", "insufficient_balance", "billing_not_active", "accountoverdueerror"}
_TOO_LONG = {"context_length_exceeded", "exceed_context_size_error"}
_NOT_OPENED = {"modelnotopen", "model_not_found", "invalidendpointormodel.notfound"}


@dataclass(frozen=True, slots=True)
class Failure:
    """`refusal` is the caller's answer if this was the last offer."""

    refusal: Refusal
    may_try_next: bool = True
    is_for_admins: bool = False


def judge(error: UpstreamError, *, provider: str, model: str) -> Failure:
    """What an error before the first byte means."""
    match error:
        case Refused():
            return _judge_refused(error, provider, model)
        case TimedOut():
            headers = NO_RETRY if error.may_have_billed else {}
            return Failure(ProviderTimeout(f"{provider} did not answer in time. {error.reason}", headers=headers))
        case AddressBlocked():
            return Failure(ProviderUnavailable(str(error)), is_for_admins=True)
        case _:
            return Failure(ProviderUnavailable(f"{provider} could not answer. {error.reason}"))


def interruption(error: Interrupted, *, provider: str) -> ProviderInterrupted:
    return ProviderInterrupted(f"{provider} broke off its reply. {error.reason} What came before it is kept.")


def _judge_refused(error: Refused, provider: str, model: str) -> Failure:
    code = (error.code or "").lower()
    if error.status == 402 or code in _OUT_OF_FUNDS:
        sentence = f"{provider}'s account is out of funds. An admin of the team must top it up there."
        return Failure(Unavailable(sentence, code="provider_out_of_funds"), is_for_admins=True)
    if error.status == 404 or code in _NOT_OPENED:
        sentence = f"{model!r} is not available from {provider} now: {error.reason}"
        return Failure(NotFound(sentence, code="model_not_available", param="model"))
    if code in _TOO_LONG:
        sentence = (
            f"The conversation is longer than {model} can read. Start a new one, or choose a model with a larger "
            f"context. {provider} says: {error.reason}"
        )
        return Failure(BadRequest(sentence, code="context_length_exceeded", param="messages"), may_try_next=False)
    match error.status:
        case 400 | 422:
            own_code = None if code.isdigit() else error.code
            sentence = f"{provider} rejected the request: {error.reason}"
            return Failure(BadRequest(sentence, code=own_code), may_try_next=False)
        case 413:
            return Failure(TooLarge(f"{provider} finds the request too large: {error.reason}"), may_try_next=False)
        case 401:
            sentence = f"{provider} refused the team's key. An admin of the team must check it under Providers."
            return Failure(Forbidden(sentence, code="provider_permission_denied"), is_for_admins=True)
        case 403:
            sentence = f"{provider} does not permit this to the team's account: {error.reason}"
            return Failure(Forbidden(sentence, code="provider_permission_denied"), is_for_admins=True)
        case 408:
            return Failure(ProviderTimeout(f"{provider} did not answer in time: {error.reason}"))
        case 429:
            return Failure(_rate_limited(error, provider))
        case _:
            sentence = f"{provider} is unavailable ({error.status}): {error.reason}"
            return Failure(ProviderUnavailable(sentence))


def _rate_limited(error: Refused, provider: str) -> RateLimited:
    headers = {}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after_s))
        if error.retry_after_s > LONGEST_RETRY_AFTER_S:
            headers |= NO_RETRY
    sentence = f"{provider} limits how often it may be asked: {error.reason}"
    return RateLimited(sentence, facts={"limit_source": "upstream"}, headers=headers)
