"""Keeps the programs of one installation running: starts them, starts again what dies, stops all of them.

Knows processes and signals; knows nothing of Django or of what the programs do.
"""

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from upstream import parent

STOP_WITHIN_S = 8
LONGEST_PAUSE_S = 30
SOUND_AFTER_S = 60  # who ran this long is not in a loop of crashes: the next pause is short again


class Life:
    """One run of a program, as its watcher sees it. The watcher sets `works` once it saw the program do its work."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.works = False
        self._over = threading.Event()

    def is_over(self, within_s: float = 0) -> bool:
        """Whether the program has ended or is to end; waits for that at most so long."""
        return self._over.wait(within_s)

    def end(self) -> None:
        self._over.set()


@dataclass(frozen=True, slots=True)
class Program:
    """One child. Its own children are in its process group and end with it.

    One that `waits` is started only when what was waited for at the start has come. `watch` runs on a thread of its
    own for as long as the program lives; if it returns True the program hangs and is killed.
    """

    name: str
    command: Sequence[str]
    waits: bool = False
    watch: Callable[[Life], bool] | None = None


class Supervisor:
    def __init__(self, programs: Sequence[Program], *, environment: Mapping[str, str], folder: Path) -> None:
        self._programs = programs
        self._environment = environment
        self._folder = folder
        self._stop = asyncio.Event()

    async def run(self, started: Callable[[], Awaitable[None]]) -> None:
        """Returns when all have stopped, after SIGINT, SIGTERM or SIGHUP. `started` runs beside the programs."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._stop.set)
        greeting = asyncio.ensure_future(_first(started(), self._stop.wait()))
        await asyncio.gather(greeting, *(self._keep(program, greeting) for program in self._programs))

    async def _keep(self, program: Program, greeting: asyncio.Future[None]) -> None:
        pause_s = 1.0
        if program.waits:
            await asyncio.wait([greeting])
        while not self._stop.is_set():
            began = time.monotonic()
            process = await self._spawn(program)
            life, hangs = Life(process.pid), asyncio.Event()
            reading = asyncio.ensure_future(_pass_on(process))
            _watch(program, life, hangs)
            await _first(process.wait(), self._stop.wait(), hangs.wait())
            life.end()
            if self._stop.is_set():
                await _end(process)
            _kill_group(process)
            await reading
            if self._stop.is_set():
                return
            if life.works or time.monotonic() - began > SOUND_AFTER_S:
                pause_s = 1.0
            how = "hung and was killed" if hangs.is_set() else _how_it_ended(process)
            tell(f"{program.name} {how}; it starts again in {pause_s:.0f} s.")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def _spawn(self, program: Program) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *program.command,
            cwd=self._folder,
            env={**self._environment, parent.VARIABLE: str(os.getpid())},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches the supervisor alone, which stops the others in order
        )


def _watch(program: Program, life: Life, hangs: asyncio.Event) -> None:
    """On a daemon thread: one that waits for a database must not hold up the stop."""
    if program.watch is None:
        return
    watch, loop = program.watch, asyncio.get_running_loop()

    def work() -> None:
        if watch(life):
            loop.call_soon_threadsafe(hangs.set)

    threading.Thread(target=work, daemon=True).start()


def tell(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


async def _first(*waits: Awaitable[object]) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


async def _pass_on(process: asyncio.subprocess.Process) -> None:
    """Line by line, so that the lines of two programs never mix."""
    assert process.stdout is not None
    rest = b""
    while data := await process.stdout.read(1 << 16):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            tell(line.decode(errors="replace"))
    if rest:
        tell(rest.decode(errors="replace"))


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ask, and leave the rest to the caller after 8 s. Only the first process is asked: it knows its own."""
    with suppress(ProcessLookupError):
        process.terminate()
    with suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), STOP_WITHIN_S)


def _kill_group(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _how_it_ended(process: asyncio.subprocess.Process) -> str:
    code = process.returncode or 0
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
