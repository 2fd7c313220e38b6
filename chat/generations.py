"""Replies being written in this process."""

import asyncio


def start_in(loop: asyncio.AbstractEventLoop) -> None:
    """Run replies in this loop from now on."""


async def end_all() -> None:
    """Stop what is being written, keeping the text so far."""
