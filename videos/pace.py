"""When to ask again. Knows seconds and chance only.

Delays are spread by chance, so that what was sent at once is not asked for at once for ever after.
"""

import random
from datetime import datetime, timedelta

LONGEST_BACKOFF_S = 300.0
FIRST_BACKOFF_S = 5.0
# Asked this often until the task is that old, in seconds.
_CADENCE = ((600, 5.0), (3600, 30.0))
_SLOWEST_S = 120.0
ATTENTION_S = 600.0  # where an admin has been asked to look


def next_poll(created_at: datetime, now: datetime, *, needs_attention: bool = False) -> datetime:
    """Most clips are done within minutes; what takes hours is not found much later for being asked less often."""
    age_s = (now - created_at).total_seconds()
    every_s = next((every_s for until_s, every_s in _CADENCE if age_s < until_s), _SLOWEST_S)
    return now + timedelta(seconds=_spread(ATTENTION_S if needs_attention else every_s))


def backoff(failures: int, now: datetime, *, retry_after_s: float | None = None) -> datetime:
    """After so many failures in a row, the last included; at the earliest when the provider says."""
    if retry_after_s is not None:
        return now + timedelta(seconds=min(retry_after_s, 3600) + random.uniform(0, 1))
    return now + timedelta(seconds=random.uniform(1, longest_backoff_s(failures)))


def longest_backoff_s(failures: int) -> float:
    return min(FIRST_BACKOFF_S * 2 ** min(failures - 1, 16), LONGEST_BACKOFF_S)


def _spread(seconds: float) -> float:
    return seconds * random.uniform(0.8, 1.2)
