"""When something is left alone, and how it comes back, whatever happens in which order."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog import breaker
from catalog.breaker import Harm, Standing, State
from catalog.models import Cause

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
WELL = State()


def after(*harms: Harm | Cause, state: State = WELL, every_s: float = 1.0, at: datetime = NOW) -> State:
    for number, harm in enumerate(harms):
        told = harm if isinstance(harm, Harm) else Harm(harm, "It failed.")
        state = breaker.harmed(state, told, now=at + number * every_s * SECOND)
    return state


def test_a_failure_or_two_only_put_it_behind_its_equals():
    state = after(Cause.FAILING, Cause.TIMEOUT)

    assert breaker.standing(state, NOW + SECOND) == Standing.DEGRADED
    assert breaker.standing(state, NOW + breaker.WINDOW + SECOND) == Standing.READY


def test_most_of_three_failing_leave_it_alone():
    state = after(Cause.FAILING, Cause.FAILING, Cause.FAILING)

    assert (state.cause, breaker.standing(state, NOW + 3 * SECOND)) == (Cause.FAILING, Standing.OUT)


def test_a_few_failures_among_many_answers_do_not():
    state = after(*[Harm(Cause.FAILING, "It failed.", answered=9)] * 30)

    assert state.cause is None


def test_rare_failures_count_until_something_is_answered_between_them():
    rare = after(Cause.TIMEOUT, Cause.TIMEOUT, Cause.TIMEOUT, every_s=600)
    mended = after(Cause.TIMEOUT, Cause.TIMEOUT, Harm(Cause.TIMEOUT, "It failed.", answered=1), every_s=600)

    assert (rare.cause, mended.cause) == (Cause.TIMEOUT, None)


@pytest.mark.parametrize("cause", [Cause.KEY_REFUSED, Cause.OUT_OF_FUNDS, Cause.NOT_AVAILABLE])
def test_some_failures_are_final_at_once(cause):
    assert breaker.standing(after(cause), NOW) == Standing.OUT


def test_a_provider_that_names_a_time_is_left_alone_until_then_and_then_just_asked():
    state = after(Harm(Cause.RATE_LIMITED, "It answered 429.", cools_s=7))

    assert breaker.standing(state, NOW + 6.9 * SECOND) == Standing.OUT
    assert breaker.standing(state, NOW + 7 * SECOND) == Standing.READY


def test_a_time_named_later_does_not_shorten_an_earlier_one():
    long, short = (Harm(Cause.RATE_LIMITED, "It answered 429.", cools_s=seconds) for seconds in (60, 1))

    assert after(long, short).until == NOW + 60 * SECOND


def test_nobody_is_left_alone_for_days_at_their_own_word():
    state = after(Harm(Cause.RATE_LIMITED, "It answered 429.", cools_s=1e9))

    assert state.until == NOW + breaker.LONGEST_COOLING


def test_each_failed_probe_begins_a_longer_pause():
    state, pauses = State(), []
    for _ in range(12):
        at = state.until or NOW
        state = breaker.harmed(state, Harm(Cause.KEY_REFUSED, "It answered 401."), now=at)
        pauses.append(state.until - at)

    assert pauses[:3] == [timedelta(minutes=1), timedelta(minutes=2), timedelta(minutes=4)]
    assert pauses == sorted(pauses) and pauses[-1] == timedelta(hours=1)


def test_asking_early_because_nothing_else_is_left_makes_the_pause_no_longer():
    paused = after(Cause.FAILING, Cause.FAILING, Cause.FAILING)
    still = after(*[Cause.FAILING] * 20, state=paused, every_s=0.1, at=NOW + 3 * SECOND)

    assert (still.until, still.pauses) == (paused.until, paused.pauses)


def test_only_one_probes_at_a_time():
    state = after(Cause.KEY_REFUSED)
    due = state.until
    probed = State(state.cause, state.until, probing_until=due + breaker.PROBE)

    assert breaker.standing(state, due) == Standing.PROBE
    assert breaker.standing(probed, due) == Standing.OUT
    assert breaker.standing(probed, due + breaker.PROBE) == Standing.PROBE


HARMS = st.builds(
    Harm,
    cause=st.sampled_from(Cause),
    sentence=st.just("It failed."),
    cools_s=st.none() | st.floats(0, 1e6),
    answered=st.integers(0, 50),
)
STEPS = st.lists(st.tuples(st.floats(0, 7200), HARMS | st.none()), max_size=40)


@given(STEPS)
def test_whatever_happens_it_comes_back_by_itself_and_an_answer_ends_it(steps):
    state, now = State(), NOW
    for passed_s, harm in steps:
        now += passed_s * SECOND
        state = breaker.harmed(state, harm, now=now) if harm else breaker.answered(state)
        assert (state.cause is None) == (state.until is None)
        assert state.until is None or state.until <= now + timedelta(days=1)
    later = now + timedelta(days=1)

    assert breaker.standing(state, later) in (Standing.READY, Standing.PROBE)
    assert breaker.standing(breaker.answered(state), now) == Standing.READY


@given(STEPS)
def test_it_is_left_alone_only_after_a_failure_that_calls_for_it(steps):
    state, now = State(), NOW
    for passed_s, harm in steps:
        now += passed_s * SECOND
        before = state
        state = breaker.harmed(state, harm, now=now) if harm else breaker.answered(state)
        if state.cause and not before.cause:
            is_by_rate = harm.cause in breaker.BY_RATE
            assert not is_by_rate or (state.failed >= breaker.LEAST_FAILURES and state.failed >= state.answered)
