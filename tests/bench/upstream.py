"""A provider as fast as Python lets one be, so that what a bench measures is the gateway before it.

`python -m tests.bench.upstream` prints its port and serves until it is ended. A reply is one prepared JSON object with
usage. A stream is STREAMS[model]: so many chunks, so many seconds apart, the first at once. Each chunk carries the
moment it was written, on the machine's monotonic clock, which the load generator reads too.
"""

import asyncio
import json
import re
import time

MODEL = "bench"
FAST, PACED = "bench-fast", "bench-paced"
STREAMS = {FAST: (10, 0.002), PACED: (100, 0.05), MODEL: (10, 0.0)}
TEXT = "All is well, and this is what the model has to say about it."
USAGE = {"prompt_tokens": 20, "completion_tokens": 15, "total_tokens": 35}
PRICING = {"prompt": "0.00000015", "completion": "0.0000006"}

STAMP = "@{:017.6f}"
READ_STAMP = re.compile(rb"@(\d{10}\.\d{6})")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def _answer(body: object) -> bytes:
    content = json.dumps(body).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
    return head.encode() + content


def _reply() -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}
    said = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": MODEL}
    return _answer({**said, "choices": [choice], "usage": USAGE})


def _event(choices: list[dict[str, object]], **more: object) -> bytes:
    """One server-sent event as a chunk of HTTP/1.1's chunked encoding, with the stamp's zeros where one is due."""
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": MODEL, "choices": choices}
    event = f"data: {json.dumps({**chunk, **more})}\n\n".encode()
    return b"%x\r\n%b\r\n" % (len(event), event)


def _delta(content: str, finish_reason: str | None = None) -> bytes:
    delta = {"role": "assistant", "content": content} if content else {}
    return _event([{"index": 0, "delta": delta, "finish_reason": finish_reason}])


REPLY = _reply()
LIST = _answer({"object": "list", "data": [{"id": name, "pricing": PRICING} for name in STREAMS]})
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
UNSTAMPED = STAMP.format(0).encode()
BEFORE_STAMP, AFTER_STAMP = _delta(UNSTAMPED.decode()).split(UNSTAMPED)
FINISH, USAGE_EVENT, END = _delta("", "stop"), _event([], usage=USAGE), b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"


class Connection(asyncio.Protocol):
    """Answers one request after the other; nobody pipelines."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._received = b""
        self._loop = asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head_ends = self._received.find(b"\r\n\r\n")
        if head_ends < 0:
            return
        length = _LENGTH.search(self._received, 0, head_ends)
        if len(self._received) < head_ends + 4 + (int(length[1]) if length else 0):
            return
        body, self._received = self._received[head_ends + 4 :], b""
        if not body:
            self._transport.write(LIST)
            return
        asked = json.loads(body)
        if asked.get("stream"):
            self._stream(asked)
        else:
            self._transport.write(REPLY)

    def _stream(self, asked: dict[str, object]) -> None:
        self._count, self._gap_s = STREAMS[str(asked["model"])]
        options = asked.get("stream_options")
        has_usage = isinstance(options, dict) and options.get("include_usage")
        self._end = FINISH + (USAGE_EVENT if has_usage else b"") + END
        self._began_at = self._loop.time()
        self._sent = 0
        self._transport.write(HEAD)
        self._send_chunk()

    def _send_chunk(self) -> None:
        if self._transport.is_closing():
            return
        stamp = STAMP.format(time.monotonic()).encode()
        self._sent += 1
        if self._sent == self._count:
            self._transport.write(BEFORE_STAMP + stamp + AFTER_STAMP + self._end)
            return
        self._transport.write(BEFORE_STAMP + stamp + AFTER_STAMP)
        self._loop.call_at(self._began_at + self._sent * self._gap_s, self._send_chunk)  # late once is not late ever


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve())
