"""Closes the holds of processes that died, from every web process now and then. `ledger.reap` says how."""

import asyncio
import logging
import random

from accounts import ledger
from accounts.asgi import in_database
from accounts.refusals import Unavailable

logger = logging.getLogger(__name__)


async def reap_for_ever() -> None:
    """Until cancelled. Several processes may: each hold is closed once."""
    while True:
        try:
            closed = await in_database(ledger.reap)
        except Unavailable:
            closed = 0  # it is logged, and the next round may succeed
        except Exception:  # one of the doors for errors: without it, no later round would be made
            logger.exception("reaping failed")
            closed = 0
        if closed:
            logger.info("lapsed holds closed", extra={"holds": closed})
        await asyncio.sleep(ledger.REAP_EVERY_S * random.uniform(0.8, 1.2))
