"""An access key's pace: requests and tokens a minute, and requests at once. The only writer of RateMinute rows.

Minutes are the clock's, so that a limit reads as it works. A prompt's tokens count when it is admitted, by an estimate;
when the request ends, what it used takes the estimate's place if the minute is still the same.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from accounts.models import AccessKey
from accounts.operations import Ending, Held, Keep
from accounts.refusals import Limit, RateLimited
from accounts.statements import changed_by_all, moment, places, rows

MINUTE = timedelta(minutes=1)
_UNITS = {"requests": "requests a minute", "tokens": "tokens a minute", "at_once": "requests at once"}


@dataclass(slots=True)
class Rate:
    """What a key did in the running minute, and how many of its requests are running."""

    access_key: AccessKey
    minute: datetime
    requests: int
    tokens: int
    running: int
    is_changed: bool = False

    def limits(self, asked: Keep, *, now: datetime) -> list[Limit]:
        """The key's limits, as they stand before this request."""
        key = self.access_key
        next_minute = self.minute + MINUTE
        figures = [
            ("requests", key.requests_per_minute, self.requests, 1, next_minute),
            ("tokens", key.tokens_per_minute, self.tokens, asked.prompt_tokens, next_minute),
            ("at_once", key.concurrent_requests, self.running, 1, None),
        ]
        return [
            Limit(
                name=f"key {key.name}'s limit of {limit:,} {_UNITS[unit]}",
                unit=unit,
                limit=limit,
                spent=used,
                held=0,
                asked=wanted,
                resets_at=resets_at,
                who_can_raise=(),
            )
            for unit, limit, used, wanted, resets_at in figures
            if limit is not None
        ]

    def check(self, asked: Keep, *, now: datetime) -> None:
        """Raises RateLimited, naming the first limit that is reached."""
        limits = self.limits(asked, now=now)
        reached = next((limit for limit in limits if not limit.allows), None)
        if reached is None:
            return
        wait_s = max(1, math.ceil((reached.resets_at - now).total_seconds())) if reached.resets_at else 1
        can_never_pass = reached.asked > reached.limit
        advice = (
            f"This request counts {reached.asked:,} by itself: shorten it, or ask an admin for a higher limit."
            if can_never_pass
            else f"Try again in {wait_s} s."
        )
        raise RateLimited(
            f"{reached.name[:1].upper()}{reached.name[1:]} is reached. {advice}",
            facts={"limit_source": "access_key", "limits": [limit.as_json() for limit in limits]},
            headers={"Retry-After": str(wait_s)} | ({"x-should-retry": "false"} if can_never_pass else {}),
        )

    def count(self, held: Held) -> None:
        self.requests += 1
        self.tokens += held.tokens_counted
        self.running += 1
        self.is_changed = True

    def correct(self, held: Held, ending: Ending | None) -> None:
        """Put what a request used in the place of what its prompt was counted as."""
        if ending and ending.tokens_in is not None and held.opened_at >= self.minute:
            used = ending.tokens_in + (ending.tokens_out or 0)
            self.tokens = max(0, self.tokens + used - held.tokens_counted)
            self.is_changed = True


def load(access_keys: Iterable[AccessKey], *, now: datetime) -> dict[int, Rate]:
    """The rates of those keys that have limits, by key; of one that is named twice, as it is named last. No query
    without any."""
    latest = {key.pk: key for key in access_keys}
    limited = {pk: key for pk, key in latest.items() if has_limits(key)}
    if not limited:
        return {}
    minute = now.replace(second=0, microsecond=0)
    ids = list(limited)
    counted = {
        key_id: (requests, tokens)
        for key_id, counted_minute, requests, tokens in rows(_MINUTES.format(places(len(ids))), *ids)
        if moment(counted_minute) == minute
    }
    running = dict(rows(_RUNNING.format(places(len(ids))), *ids, now))
    return {pk: Rate(key, minute, *counted.get(pk, (0, 0)), running=running.get(pk, 0)) for pk, key in limited.items()}


def has_limits(key: AccessKey) -> bool:
    return not (key.requests_per_minute is key.tokens_per_minute is key.concurrent_requests is None)


def write(changed: Iterable[Rate]) -> None:
    changed_by_all(
        _WRITE, [(rate.access_key.pk, rate.minute, rate.requests, rate.tokens) for rate in changed if rate.is_changed]
    )


_MINUTES = "SELECT access_key_id, minute, requests, tokens FROM accounts_rateminute WHERE access_key_id IN ({})"

_RUNNING = """
SELECT access_key_id, COUNT(*) FROM accounts_hold
WHERE state = 'open' AND access_key_id IN ({}) AND lease_until > %s GROUP BY access_key_id
"""

_WRITE = """
INSERT INTO accounts_rateminute (access_key_id, minute, requests, tokens) VALUES (%s, %s, %s, %s)
ON CONFLICT (access_key_id) DO UPDATE SET
    minute = excluded.minute, requests = excluded.requests, tokens = excluded.tokens
"""


def at(access_key: AccessKey, *, now: datetime) -> Sequence[int]:
    """Requests and tokens of the running minute, and requests running now: for those who ask what is left."""
    minute = now.replace(second=0, microsecond=0)
    found = {pk: tuple(numbers) for pk, *numbers in rows(_MINUTES.format("%s"), access_key.pk)}
    counted_minute, requests, tokens = found.get(access_key.pk, (minute, 0, 0))
    running = dict(rows(_RUNNING.format("%s"), access_key.pk, now)).get(access_key.pk, 0)
    return (requests, tokens, running) if moment(counted_minute) == minute else (0, 0, running)
