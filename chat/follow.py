"""The stream by which a page follows a reply: from memory in the process that writes it, else from the row.

Server-sent events for our own pages (the API's stream is in asgi.py). Every event's id is `END.OFFSET`: the page holds
blocks up to END and text up to OFFSET, in characters. A page that reconnects sends the last id back and misses nothing.
  text      what comes after OFFSET, plain
  block     a finished block as HTML, taking the place of the plain text before its END
  progress  the figures so far as HTML
  end       the finished turn as HTML
"""

import asyncio
import logging
import re
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass
from urllib.parse import parse_qs

from django.db.models.functions import Substr
from django.utils import timezone
from django.utils.html import format_html_join

from accounts import policies
from accounts.asgi import Receive, Scope, Send, header, in_database, send_refusal, start_events
from accounts.cuts import until_shutdown, while_connected
from accounts.ids import bind_request_id
from accounts.refusals import MethodNotAllowed, Refusal, Unauthorized, Unavailable, for_status
from chat import conversations, generations, thread
from chat.markdown import Block
from chat.models import Turn

logger = logging.getLogger(__name__)

POLL_S = 0.25
KEEP_ALIVE_S = 15.0
PROGRESS_EVERY_S = 0.5

_POSITION = re.compile(r"(\d{1,9})\.(\d{1,9})")


@dataclass
class Position:
    """How far a page has come: blocks up to `end`, text up to `offset`."""

    end: int
    offset: int

    @classmethod
    def parse(cls, value: str) -> "Position":
        match = _POSITION.fullmatch(value)
        return cls(*map(int, match.groups())) if match else cls(0, 0)

    def advance(self, text: str, blocks: list[Block]) -> bytes:
        """The events for text after `offset` and blocks after `end`."""
        events = []
        if text:
            self.offset += len(text)
            events.append(self._event("text", text))
        for end, html in blocks:
            if end > self.end:
                self.end = end
                events.append(self._event("block", html))
        return b"".join(events)

    def _event(self, name: str, data: str) -> bytes:
        return event(name, data, id=str(self))

    def __str__(self) -> str:
        return f"{self.end}.{self.offset}"


def event(name: str, data: str, *, id: str) -> bytes:
    lines = "".join(f"data: {line}\n" for line in data.replace("\r", "").split("\n"))
    return f"id: {id}\nevent: {name}\n{lines}\n".encode()


async def follow(scope: Scope, receive: Receive, send: Send, public_id: str) -> None:
    """GET: the events of one reply until it is finished. Private to those who may read the conversation."""
    request_id = bind_request_id()
    try:
        if scope["method"] != "GET":
            raise MethodNotAllowed("A reply is followed with GET.", headers={"allow": "GET"})
        cookie = header(scope, b"cookie")
        turn = await in_database(_readable_turn, cookie, public_id)
        timezone.activate(policies.zone_with(cookie))
    except Refusal as refusal:
        await send_refusal(send, refusal, request_id=request_id)
        return
    except Exception:  # the door for errors: this route has no Django around it
        logger.exception("request failed")
        await send_refusal(send, for_status(500), request_id=request_id)
        return
    query = parse_qs(scope["query_string"].decode("latin-1"))
    position = Position.parse(header(scope, b"last-event-id") or query.get("from", [""])[0])
    await start_events(send, request_id=request_id)
    await while_connected(receive, _send_events(send, turn, position))


async def _send_events(send: Send, turn: Turn, position: Position) -> None:
    with suppress(Unavailable), until_shutdown():  # the server stops: the page reconnects to the next one by itself
        async with aclosing(_events(turn, position)) as events:
            async for some in events:
                await send({"type": "http.response.body", "body": some, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _events(turn: Turn, position: Position) -> AsyncGenerator[bytes]:
    while True:
        if generation := generations.running(turn.public_id):
            async for events in _from_memory(generation, position):
                yield events
        row = await in_database(_row_after, turn, position.offset)
        if row is None:
            return  # deleted meanwhile: nothing more to say
        text, blocks, is_unfinished = row
        if is_unfinished:
            yield position.advance(text, blocks) or b": quiet\n\n"
            await asyncio.sleep(POLL_S)
            continue
        html = await in_database(thread.finished_turn_html, turn.public_id)
        yield event("end", html, id=str(position))
        return


async def _from_memory(generation: generations.Generation, position: Position) -> AsyncGenerator[bytes]:
    said_at = 0.0
    while not generation.is_over:
        change = generation.next_change()
        if events := position.advance(generation.text.after(position.offset), generation.blocks):
            if time.monotonic() - said_at > PROGRESS_EVERY_S:
                said_at = time.monotonic()
                events += event("progress", _figures(generation), id=str(position))
            yield events
        try:
            await asyncio.wait_for(change.wait(), KEEP_ALIVE_S)
        except TimeoutError:
            yield b": quiet\n\n"


def _figures(generation: generations.Generation) -> str:
    """The receipt so far. A provider sends about a token a chunk; the exact counts come with the end."""
    first_s = generation.first_token_s or 0.0
    writing_s = generation.elapsed_s - first_s
    tokens = "token" if generation.chunks == 1 else "tokens"
    figures = [f"about {generation.chunks:,} {tokens} so far", f"{first_s:.2f} s to first token"]
    if writing_s > 1:
        figures.append(f"{generation.chunks / writing_s:.0f} tokens/s")
    return format_html_join("", "<span>{}</span>", ((figure,) for figure in figures))


def _readable_turn(cookie: str, public_id: str) -> Turn:
    caller = policies.caller_with_session(cookie)
    if caller is None:
        raise Unauthorized("You are logged out. Log in and open the conversation again.", code="logged_out")
    return conversations.reply(caller, public_id)


def _row_after(turn: Turn, offset: int) -> tuple[str, list[Block], bool] | None:
    """What the row holds past `offset`, and whether it is still being written."""
    conversations.interrupt_lapsed(Turn.objects.filter(pk=turn.pk))
    row = Turn.objects.filter(pk=turn.pk).values_list(Substr("text", offset + 1), "blocks", "state").first()
    if row is None:
        return None
    text, blocks, state = row
    return text or "", [(end, html) for end, html in blocks], state in Turn.UNFINISHED
