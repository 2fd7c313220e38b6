"""What a caller hears of a failure that no test can wait for, or that a provider words in its own way."""

import pytest

from catalog.models import Cause
from chat import failures
from upstream.errors import AddressBlocked, Garbled, Interrupted, Redirected, Refused, TimedOut, Unreachable


def judged(error) -> failures.Failure:
    return failures.judge(error, provider="Loopback", model="plain/small")


def test_a_timeout_that_may_be_billed_is_not_to_be_retried():
    failure = judged(TimedOut("The provider fell silent for 60 s.", may_have_billed=True))

    assert (failure.refusal.status, failure.refusal.code) == (504, "provider_timeout")
    assert failure.refusal.headers == {"x-should-retry": "false"}
    assert failure.may_try_next


def test_a_connection_that_never_came_about_may_be_retried():
    failure = judged(TimedOut("No connection came about within 5 s.", may_have_billed=False))

    assert (failure.refusal.status, failure.refusal.headers) == (504, {})


@pytest.mark.parametrize(
    ("error", "headers"),
    [
        (Garbled("The provider sent something that is not JSON."), {"x-should-retry": "false"}),
        (Redirected("https://elsewhere.example"), {}),
        (Unreachable("Nothing answers at loopback:1."), {}),
        (Refused(500, "Oops."), {}),
        (Refused(402, "Pay first."), {"x-should-retry": "false"}),
    ],
)
def test_only_what_may_be_billed_or_is_in_vain_is_not_to_be_retried(error, headers):
    assert judged(error).refusal.headers == headers


def test_an_unreachable_provider_502():
    assert judged(Unreachable("Nothing answers at loopback:1.")).refusal.detail == (
        "Loopback could not answer. Nothing answers at loopback:1."
    )


def test_admins_hear_which_address_they_may_allow():
    failure = judged(AddressBlocked("10.0.0.7"))

    assert failure.is_for_admins
    assert "EMMA18_EGRESS_ALLOW=10.0.0.7" in failure.refusal.detail


@pytest.mark.parametrize(
    ("status", "code"),
    [(402, None), (429, "insufficient_quota"), (403, "AccountOverdueError"), (400, "insufficient_balance")],
)
def test_out_of_funds_under_any_status(status, code):
    failure = judged(Refused(status, "You exceeded your current quota.", code=code))

    assert (failure.refusal.status, failure.refusal.code) == (503, "provider_out_of_funds")
    assert failure.is_for_admins and failure.may_try_next


def test_a_model_that_was_not_opened_404():
    failure = judged(Refused(403, "The model is not open to this account.", code="ModelNotOpen"))

    assert (failure.refusal.status, failure.refusal.code) == (404, "model_not_available")


@pytest.mark.parametrize(("said", "told"), [(0.2, "1"), (7.0, "7"), (1e308, "3600"), (None, None)])
def test_retry_after_is_whole_seconds_up_to_an_hour(said, told):
    refusal = judged(Refused(429, "Slow down.", retry_after_s=said)).refusal

    assert refusal.headers.get("Retry-After") == told


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (Refused(400, "No such tool."), None),
        (Refused(413, "Too large."), None),
        (Refused(401, "Who are you?"), Cause.KEY_REFUSED),
        (Refused(402, "Pay first."), Cause.OUT_OF_FUNDS),
        (Refused(404, "No such model."), Cause.NOT_AVAILABLE),
        (Refused(408, "Too slow."), Cause.TIMEOUT),
        (Refused(429, "Slow down."), Cause.RATE_LIMITED),
        (Refused(503, "Come back later."), Cause.FAILING),
        (Garbled("The provider redirected; not followed."), Cause.FAILING),
        (TimedOut("The provider did not answer within 60 s.", may_have_billed=True), Cause.TIMEOUT),
    ],
)
def test_what_a_failure_says_of_the_offers_health(error, cause):
    assert judged(error).cause == cause


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        (Refused(500, "Cannot write 'my secret plan'."), "It answered 500."),
        (Garbled("The provider reported an error: 'my secret plan' is odd."), "The provider reported an error."),
        (Interrupted("The provider fell silent for 60 s."), "The provider fell silent for 60 s."),
        (Unreachable("Nothing answers at loopback:1."), "Nothing answers at loopback:1."),
    ],
)
def test_what_is_kept_of_a_failure_quotes_no_prompt(error, kept):
    assert failures.harm(error, Cause.FAILING).sentence == kept
