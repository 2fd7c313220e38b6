"""Replies being written in this process: each outlives the page that asked for it, and any page may follow it.

Runs in the server's event loop. `conversations.py` keeps what is written; this module decides when.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

from django.utils import timezone

from accounts import people
from accounts.asgi import in_database
from accounts.callers import Caller
from accounts.ids import bind_request_id
from accounts.refusals import ProviderInterrupted, Refusal, Unavailable
from chat import completions, conversations, markdown, requests
from chat.conversations import Written
from chat.models import Turn

logger = logging.getLogger(__name__)

SAVE_EVERY_S = 0.25
RENEW_EVERY_S = 5.0
DATABASE_AGAIN_S = 1.0
DATABASE_WITHIN_S = 60.0  # how long a database that is away is waited for
LONGEST_REPLY = 2_000_000  # characters; the longest replies of today's models have a quarter of that
LARGEST_COUNT = 2**31 - 1  # that a column holds
PARSE_AGAIN_AT = 1.2  # a tail is looked through for finished blocks again once it has grown by a fifth
RESTARTED = "The server was restarted while this reply was being written. The text so far is kept."
BROKEN = "Something went wrong on our end while this reply was being written. The text so far is kept."

State = Turn.State

_loop: asyncio.AbstractEventLoop | None = None
_running: dict[str, "Generation"] = {}


def start_in(loop: asyncio.AbstractEventLoop) -> None:
    """Run replies in this loop from now on. Called once, when the server starts."""
    global _loop
    _loop = loop


def start(turn: Turn) -> None:
    """Begin to write a waiting reply, from any thread. Without a running server it stays waiting until it lapses."""
    if _loop is not None:
        _loop.call_soon_threadsafe(_start, turn.public_id)


def stop(turn: Turn) -> None:
    """Stop a reply at once if this process writes it. Another process sees `stop_asked` at its next write."""
    if _loop is not None and (generation := _running.get(turn.public_id)):
        _loop.call_soon_threadsafe(generation.stop)


def running(public_id: str) -> "Generation | None":
    """The generation of a reply, if this process writes it."""
    return _running.get(public_id)


def count() -> int:
    return len(_running)


async def end_all() -> None:
    """The server stops: end every reply, keeping its text so far."""
    generations = list(_running.values())
    for generation in generations:
        generation.end(State.INTERRUPTED, RESTARTED)
    await asyncio.gather(*(generation.task for generation in generations))


def _start(public_id: str) -> None:
    generation = Generation(public_id)
    _running[public_id] = generation
    generation.task = asyncio.create_task(generation.run())


class ReplyText:
    """Text that grows by deltas, normalised so that every database takes it and offsets stay true.

    Some providers split a character's two UTF-16 halves over two deltas; the first half waits for the second.
    """

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._half = ""
        self.length = 0

    def append(self, delta: str) -> None:
        delta = self._half + delta.replace("\r", "").replace("\x00", "\ufffd")
        self._half = delta[-1:] if "\ud800" <= delta[-1:] <= "\udbff" else ""
        delta = delta[: len(delta) - len(self._half)]
        if not delta.isascii():
            delta = delta.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        if delta:
            self._parts.append(delta)
            self.length += len(delta)

    def __str__(self) -> str:
        return "".join(self._parts)

    def after(self, offset: int) -> str:
        """What comes after `offset`. Looks at the newest parts only: a follower is hardly ever far behind."""
        missing, newest = self.length - offset, []
        for part in reversed(self._parts):
            if missing <= 0:
                break
            newest.append(part[-missing:] if missing < len(part) else part)
            missing -= len(part)
        return "".join(reversed(newest))


class Generation:
    """One reply being written. Followers read `text`, `blocks` and `is_over`, and wait on `next_change()`."""

    task: asyncio.Task[None]

    def __init__(self, public_id: str) -> None:
        self.public_id = public_id
        self.text = ReplyText()
        self.blocks: list[markdown.Block] = []
        self.is_over = False
        self.chunks = 0
        self.first_token_s: float | None = None
        self._began = time.monotonic()
        self._changed = asyncio.Event()
        self._receiving: asyncio.Task[None] | None = None
        self._ending: tuple[State, str] | None = None
        self._facts: dict[str, Any] = {}
        self._parse_at = 0

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._began

    def next_change(self) -> asyncio.Event:
        """Set when something changes after this call: take it, look, then wait for it."""
        return self._changed

    def stop(self) -> None:
        self.end(State.STOPPED, "")

    def end(self, state: State, error: str) -> None:
        """End the reply early, keeping what was received."""
        self._ending = self._ending or (state, error)
        if self._receiving is not None:
            self._receiving.cancel()

    async def run(self) -> None:
        """Claim the turn, receive it, keep it as it grows, and end it exactly once."""
        try:
            turn = await _in_database_at_last(conversations.claim, self.public_id, request_id=bind_request_id())
            if turn is not None:
                await self._write(turn)
        except Exception:  # a task has no caller to raise to; its lease lapses and the turn becomes interrupted
            logger.exception("reply abandoned", extra={"turn": self.public_id})
        finally:
            self.is_over = True
            del _running[self.public_id]
            self._notify()

    async def _write(self, turn: Turn) -> None:
        self._receiving = asyncio.create_task(self._receive(turn))
        if self._ending:
            self._receiving.cancel()
        try:
            await self._keep_until_received(turn, self._receiving)
        finally:
            self._receiving.cancel()  # nobody would read what a provider goes on to send
        state, error = self._outcome(self._receiving)
        written = Written(str(self.text), self.blocks)
        await _in_database_at_last(conversations.finish, turn, written, state=state, error=error, **self._facts)
        logger.info(
            "reply done",
            extra={
                "turn": turn.public_id,
                "model": turn.model_id,
                "state": state.value,
                "characters": self.text.length,
                "ms": round(self.elapsed_s * 1000),
            },
        )

    async def _keep_until_received(self, turn: Turn, receiving: asyncio.Task[None]) -> None:
        saved_at = time.monotonic()
        saved_length = 0
        while not (await asyncio.wait({receiving}, timeout=SAVE_EVERY_S))[0]:
            if self.text.length == saved_length and time.monotonic() - saved_at < RENEW_EVERY_S:
                continue
            saved_length, saved_at = self.text.length, time.monotonic()
            try:
                if not await in_database(self._save, turn, str(self.text)):
                    self.stop()
            except Unavailable:  # the text is still here, and the lease may outlast it
                await asyncio.wait({receiving}, timeout=DATABASE_AGAIN_S)
            self._notify()

    async def _receive(self, turn: Turn) -> None:
        caller, messages = await _in_database_at_last(_asked, turn)
        request = requests.conversation(turn.model_id, messages)
        completion = await completions.open(caller, request, request_id=turn.request_id)
        self._facts["provider_name"] = completion.provider_name
        try:
            async for chunk in completion:
                for delta in _deltas(chunk):
                    if self.first_token_s is None:
                        self.first_token_s = self.elapsed_s
                        self._facts["first_token_at"] = timezone.now()
                    self.chunks += 1
                    self.text.append(delta)
                    self._notify()
                if _is_cut_off(chunk):
                    self._facts["is_cut_off"] = True
                if self.text.length > LONGEST_REPLY:
                    raise ProviderInterrupted(f"The reply was ended at {LONGEST_REPLY:,} characters, the most kept.")
        finally:
            await completion.aclose()
            if completion.usage:
                self._facts["tokens_in"] = _count(completion.usage.get("prompt_tokens"))
                self._facts["tokens_out"] = _count(completion.usage.get("completion_tokens"))

    def _outcome(self, receiving: asyncio.Task[None]) -> tuple[State, str]:
        if receiving.cancelled():
            return self._ending or (State.INTERRUPTED, RESTARTED)
        error = receiving.exception()
        if error is None:
            return State.DONE, ""
        if isinstance(error, Refusal):
            return State.FAILED, error.detail[:500]
        logger.error("reply failed", exc_info=error, extra={"turn": self.public_id})
        return State.FAILED, BROKEN

    def _save(self, turn: Turn, text: str) -> bool:
        """Render what is finished and keep it all. Runs on a database thread while the loop goes on receiving."""
        start = self.blocks[-1][0] if self.blocks else 0
        if len(text) >= self._parse_at:
            fresh = markdown.finished_blocks(text, start)
            start = fresh[-1][0] if fresh else start
            self.blocks = [*self.blocks, *fresh]
            self._parse_at = start + int((len(text) - start) * PARSE_AGAIN_AT)
        return conversations.checkpoint(turn, Written(text, self.blocks), **self._facts)

    def _notify(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


def _asked(turn: Turn) -> tuple[Caller, list[dict[str, str]]]:
    """Who asked, and what the model is given."""
    caller = people.member(turn.conversation.team, user=turn.conversation.owner)
    return caller, conversations.messages(turn)


def _deltas(chunk: dict[str, Any]) -> Iterator[str]:
    for choice in chunk.get("choices") or ():
        delta = choice.get("delta")
        content = delta.get("content") if isinstance(delta, dict) else None
        if isinstance(content, str) and content:
            yield content


def _is_cut_off(chunk: dict[str, Any]) -> bool:
    """Whether the model ended because its context or the request's limit was full."""
    return any(choice.get("finish_reason") == "length" for choice in chunk.get("choices") or ())


def _count(value: object) -> int | None:
    """A provider's figure, if it is one."""
    return value if type(value) is int and 0 <= value <= LARGEST_COUNT else None


async def _in_database_at_last[**P, R](function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """A reply outlives a database that is away for a while."""
    give_up_at = time.monotonic() + DATABASE_WITHIN_S
    while True:
        try:
            return await in_database(function, *args, **kwargs)
        except Unavailable:
            if time.monotonic() > give_up_at:
                raise
            await asyncio.sleep(DATABASE_AGAIN_S)
