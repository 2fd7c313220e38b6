"""When an offer or a provider's key is left alone after failures, for how long, and how it comes back. Pure arithmetic
over moments; `routing.py` keeps what comes of it.

An offer is left alone once most calls of a window fail, a key at the first refusal. After a pause one request finds out
whether it works again: its answer ends it all, its failure begins a longer pause. Everything comes back by itself.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import IntEnum

from catalog.models import Cause

WINDOW = timedelta(seconds=60)
# Failures with no answer between them count however rare the calls are, but not for ever.
LONGEST_WINDOW = timedelta(hours=1)
LEAST_FAILURES = 3
PROBE = timedelta(seconds=60)  # as long as a provider's first byte is waited for

# The first pause, and the longest: each in a row is twice as long.
_PAUSES = {
    Cause.FAILING: (timedelta(seconds=15), timedelta(minutes=5)),
    Cause.TIMEOUT: (timedelta(minutes=1), timedelta(minutes=10)),
    Cause.RATE_LIMITED: (timedelta(seconds=5), timedelta(minutes=1)),  # where the provider does not say
    Cause.NOT_AVAILABLE: (timedelta(hours=1), timedelta(days=1)),
    Cause.KEY_REFUSED: (timedelta(minutes=1), timedelta(hours=1)),
    Cause.OUT_OF_FUNDS: (timedelta(minutes=1), timedelta(hours=1)),
}
LONGEST_COOLING = timedelta(hours=1)
OF_A_KEY = frozenset({Cause.KEY_REFUSED, Cause.OUT_OF_FUNDS})
BY_RATE = frozenset({Cause.FAILING, Cause.TIMEOUT})


@dataclass(frozen=True, slots=True)
class State:
    """A row of health. Without a cause nothing stands against asking."""

    cause: Cause | None = None
    until: datetime | None = None
    probing_until: datetime | None = None
    pauses: int = 0
    failed_at: datetime | None = None
    last_error: str = ""
    window_began_at: datetime | None = None
    failed: int = 0
    answered: int = 0


@dataclass(frozen=True, slots=True)
class Harm:
    """A failed call. `sentence` is ours; `answered` counts the calls of the window that were answered since the last
    that was told; `cools_s` is how long the provider wants to be left alone, where it says."""

    cause: Cause
    sentence: str
    cools_s: float | None = None
    answered: int = 0


class Standing(IntEnum):
    """The order among offers of one priority. What is to be probed comes first, or it would not be found to be well
    while another serves; the request that does so can still go on to the next."""

    PROBE = 0
    READY = 1
    DEGRADED = 2
    OUT = 3


def standing(state: State, now: datetime) -> Standing:
    if state.cause and state.until and state.until > now:
        return Standing.OUT
    if state.cause and state.cause != Cause.RATE_LIMITED:  # whoever named a time is taken at their word
        return Standing.OUT if _is_probed(state, now) else Standing.PROBE
    has_failed = state.failed and state.window_began_at and now - state.window_began_at <= WINDOW
    return Standing.DEGRADED if has_failed else Standing.READY


def _is_probed(state: State, now: datetime) -> bool:
    return state.probing_until is not None and state.probing_until > now


def harmed(state: State, harm: Harm, *, now: datetime) -> State:
    """After a call that failed."""
    state = replace(state, failed_at=now, last_error=harm.sentence[:500])
    if harm.cause in BY_RATE:
        state = _counted(state, harm, now)
    is_paused = state.cause is not None and state.until is not None and state.until > now
    if harm.cause == Cause.RATE_LIMITED:
        return _cooling(state, harm, now, is_paused=is_paused)
    if is_paused:
        # Asked because nothing else was left, or still under way when the pause began: that makes it no longer.
        return state if state.cause == Cause.RATE_LIMITED else replace(state, cause=harm.cause, probing_until=None)
    is_probe = state.cause not in (None, Cause.RATE_LIMITED)
    if harm.cause in BY_RATE and not is_probe and not _most_fail(state):
        return state
    return _paused(state, harm.cause, now, now + _pause(harm.cause, state.pauses))


def answered(state: State) -> State:
    """After a call that was answered although something stood against it."""
    return State(failed_at=state.failed_at, last_error=state.last_error)


def due(state: State, now: datetime) -> State:
    """To be probed by the next request, as if there had been no pauses before."""
    return replace(state, until=now, probing_until=None, pauses=0) if state.cause else state


def _counted(state: State, harm: Harm, now: datetime) -> State:
    age = now - state.window_began_at if state.window_began_at else LONGEST_WINDOW
    was_answered = state.answered or harm.answered
    if age >= LONGEST_WINDOW or (age > WINDOW and was_answered):
        return replace(state, window_began_at=now, failed=1, answered=harm.answered)
    return replace(state, failed=state.failed + 1, answered=state.answered + harm.answered)


def _most_fail(state: State) -> bool:
    return state.failed >= LEAST_FAILURES and state.failed >= state.answered


def _cooling(state: State, harm: Harm, now: datetime, *, is_paused: bool) -> State:
    pause = _pause(harm.cause, state.pauses)
    if harm.cools_s is not None:
        pause = timedelta(seconds=min(harm.cools_s, LONGEST_COOLING.total_seconds()))
    until = now + pause
    if not is_paused:
        return _paused(state, Cause.RATE_LIMITED, now, until)
    if state.cause == Cause.RATE_LIMITED and state.until:
        until = max(until, state.until)
    return replace(state, cause=Cause.RATE_LIMITED, until=until)


def _paused(state: State, cause: Cause, now: datetime, until: datetime) -> State:
    return replace(state, cause=cause, until=until, probing_until=None, pauses=min(state.pauses + 1, 100))


def _pause(cause: Cause, before: int) -> timedelta:
    first, longest = _PAUSES[cause]
    return min(first * 2 ** min(before, 10), longest)
