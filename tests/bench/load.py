"""The load generator: asks one server from so many connections at once, and tells what came back.

`python -m tests.bench.load '<job as JSON>'` prints one JSON object, a `Measured`. Every answer is looked at: one that
is not 200 or does not hold all that the upstream says counts as failed. Knows nothing of what it asks.
"""

import asyncio
import json
import statistics
import sys
import time
from dataclasses import asdict, dataclass, field

from tests.bench.upstream import READ_STAMP, STREAMS, TEXT

STREAM_DEADLINE_S = 30.0  # after which 500 streams are given up


@dataclass(frozen=True, slots=True)
class Job:
    """`seconds` of requests one after the other on each connection; 0 for a single one on each."""

    port: int
    path: str
    headers: dict[str, str]
    model: str
    connections: int
    seconds: float
    is_stream: bool = False


@dataclass(slots=True)
class Measured:
    """Times in seconds. `first_s` is the time to a stream's first event, `delay_s` that of each chunk on its way."""

    done: int = 0
    failed: int = 0
    failure: str = ""
    elapsed_s: float = 0.0
    whole_p50_s: float = 0.0
    first_p50_s: float = 0.0
    delay_p99_s: float = 0.0


@dataclass(slots=True)
class _Run:
    """What the connections share."""

    job: Job
    request: bytes
    ends_at: float
    over: asyncio.Future[None]
    open: int
    wholes: list[float] = field(default_factory=list)
    firsts: list[float] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def closed(self) -> None:
        self.open -= 1
        if self.open == 0 and not self.over.done():
            self.over.set_result(None)


class _Client(asyncio.Protocol):
    def __init__(self, run: _Run) -> None:
        self._run = run
        self._is_over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._is_over:
            self._fail(f"The connection was closed: {bytes(self._received[:200])!r}")
        self._run.closed()

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        self._received += data
        if self._run.job.is_stream:
            self._look_at_chunks(now)
        if self._is_complete():
            self._answered(now)

    def _ask(self) -> None:
        self._received = bytearray()
        self._head_ends = 0
        self._chunks = 0
        self._looked_at = 0
        self._asked_at = time.monotonic()
        self._transport.write(self._run.request)

    def _is_complete(self) -> bool:
        if not self._head_ends:
            self._head_ends = self._received.find(b"\r\n\r\n") + 4
            if self._head_ends < 4:
                self._head_ends = 0
                return False
            head = bytes(self._received[: self._head_ends]).lower()
            _, has_length, rest = head.partition(b"\r\ncontent-length:")
            self._ends_at = self._head_ends + int(rest.partition(b"\r\n")[0]) if has_length else 0
        if self._ends_at:
            return len(self._received) >= self._ends_at
        # The last chunk of the chunked encoding. No data of ours has a carriage return.
        return self._received.endswith(b"0\r\n\r\n")

    def _look_at_chunks(self, now: float) -> None:
        for stamp in READ_STAMP.finditer(self._received, self._looked_at):
            if not self._chunks:
                self._run.firsts.append(now - self._asked_at)
            self._chunks += 1
            self._run.delays.append(now - float(stamp[1]))
            self._looked_at = stamp.end()

    def _answered(self, now: float) -> None:
        job = self._run.job
        is_ok = self._received.startswith(b"HTTP/1.1 200")
        if job.is_stream:
            is_ok = is_ok and self._chunks == STREAMS[job.model][0] and b"[DONE]" in self._received
        if not is_ok or not (job.is_stream or TEXT.encode() in self._received):
            self._fail(bytes(self._received[-400:]).decode(errors="replace"))
        else:
            self._run.wholes.append(now - self._asked_at)
        if now < self._run.ends_at:
            self._ask()
        else:
            self._is_over = True
            self._transport.close()

    def _fail(self, what: str) -> None:
        self._is_over = True
        self._run.failures.append(what)


async def run(job: Job) -> Measured:
    loop = asyncio.get_running_loop()
    began_at = time.monotonic()
    shared = _Run(job, _request(job), began_at + job.seconds, loop.create_future(), job.connections)
    try:
        async with asyncio.timeout(job.seconds + STREAM_DEADLINE_S):
            for _ in range(job.connections):
                await loop.create_connection(lambda: _Client(shared), "127.0.0.1", job.port)
            await shared.over
    except TimeoutError:
        pass  # what did not answer is missing below
    except OSError as error:
        shared.failures.append(str(error))
    unanswered = job.connections - len(shared.wholes) - len(shared.failures)
    return Measured(
        done=len(shared.wholes),
        failed=len(shared.failures) + max(unanswered, 0),
        failure=next(iter(shared.failures), "no answer in time" if unanswered > 0 else ""),
        elapsed_s=time.monotonic() - began_at,
        whole_p50_s=_percentile(shared.wholes, 50),
        first_p50_s=_percentile(shared.firsts, 50),
        delay_p99_s=_percentile(shared.delays, 99),
    )


def request_body(model: str, *, is_stream: bool) -> bytes:
    asked = {"model": model, "messages": [{"role": "user", "content": "How are things?"}]}
    return json.dumps({**asked, "stream": True} if is_stream else asked).encode()


def _request(job: Job) -> bytes:
    body = request_body(job.model, is_stream=job.is_stream)
    headers = {"host": f"127.0.0.1:{job.port}", "content-type": "application/json", **job.headers}
    lines = [f"POST {job.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body


def _percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else sum(values)


if __name__ == "__main__":
    print(json.dumps(asdict(asyncio.run(run(Job(**json.loads(sys.argv[1])))))))
