"""Whose turn it is: the ways to serve one request, one after the other until one answers. Knows what was tried and why
it failed; knows no money and no stream."""

from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from accounts.asgi import in_database
from accounts.models import Provider
from accounts.refusals import Refusal, Unavailable
from catalog import routing
from catalog.breaker import Standing
from catalog.models import Cause
from catalog.prices import TokenPrice
from catalog.routing import Health
from chat import failures
from chat.failures import Failure
from upstream.client import Endpoint
from upstream.errors import UpstreamError


@dataclass(frozen=True, slots=True)
class Way:
    """One offer that may be tried: the provider, the model's own id, the name that the caller has for it and the id
    there, where to call with which key, its price, how much the model writes at most as far as that is known, and how
    the offer was when it was read."""

    provider: Provider
    model_id: str
    asked_as: str
    upstream_id: str
    endpoint: Endpoint
    price: TokenPrice | None
    output_limits: tuple[int | None, ...]  # tokens
    health: Health


@dataclass(frozen=True, slots=True)
class _Passed:
    way: Way
    refusal: Refusal
    was_asked: bool

    def as_json(self) -> dict[str, Any]:
        return {
            "provider": self.way.provider.name,
            "model": self.way.asked_as,
            "code": self.refusal.code,
            "message": self.refusal.detail,
            "asked": self.was_asked,
        }


class Turns:
    """Ask for the next, and tell it what became of each. First come those that are well or due for a probe, in their
    order; then, since our guess must refuse nobody, those that were to be left alone, the soonest to return first.
    """

    def __init__(self, ways: list[Way]) -> None:
        self._ways = deque(ways)
        self._left_alone: list[Way] = []
        self._passed: list[_Passed] = []
        self._probed: Way | None = None
        self._again: Way | None = None

    def again(self, way: Way) -> None:
        """Its provider refused the key; there is another. What was claimed for it stays claimed."""
        self._again = way

    async def next(self) -> Way | None:
        if self._again:
            way, self._again = self._again, None
            return way
        while self._ways:
            way = self._ways.popleft()
            standing = way.health.standing
            if standing != Standing.OUT and (standing != Standing.PROBE or await self._claim(way)):
                return way
            self._left_alone.append(way)
        while self._left_alone:
            way = min(self._left_alone, key=lambda way: way.health.until)
            self._left_alone.remove(way)
            if await self._may_be_asked_early(way):
                return way
            self.pass_over(way, failures.left_alone(way.health, provider=way.provider.name))
        return None

    async def _may_be_asked_early(self, way: Way) -> bool:
        """Not before the time that a provider named. One that hung would hang for everybody: one request at a time
        finds out. All else fails quickly, and with the reason as it is now."""
        if way.health.is_cooling:
            return False
        return way.health.offer.cause != Cause.TIMEOUT or await self._claim(way)

    async def _claim(self, way: Way) -> bool:
        with suppress(Unavailable):
            if await in_database(routing.claim, way.health):
                self._probed = way
                return True
        return False

    async def release(self) -> None:
        """Nothing was found out: another request may."""
        if self._probed:
            with suppress(Unavailable):
                await in_database(routing.release, self._probed.health)
            self._probed = None

    def pass_over(self, way: Way, refusal: Refusal) -> None:
        """It was not asked."""
        self._passed.append(_Passed(way, refusal, was_asked=False))

    async def failed(self, way: Way, error: UpstreamError, failure: Failure) -> None:
        self._passed.append(_Passed(way, failure.refusal, was_asked=True))
        if not failure.may_try_next:
            self._ways.clear()
            self._left_alone.clear()
        if failure.cause:
            self._probed = None
            await routing.failed(way.health, failures.harm(error, failure.cause))
        else:
            await self.release()

    def answered(self) -> None:
        """There is nothing left to release: what the answer says of the way is for the caller to note."""
        self._probed = None

    def refusal(self) -> Refusal:
        """What the caller hears when all failed: the last's reason if any was asked, else that of the soonest to
        return; and who failed and why."""
        asked = [passed for passed in self._passed if passed.was_asked]
        refusal = (asked[-1] if asked else self._passed[0]).refusal
        refusal.facts |= {"attempts": [passed.as_json() for passed in self._passed]}
        refusal.headers |= {"x-emma18-attempts": str(len(asked))}
        return refusal
