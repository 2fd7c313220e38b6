"""Keeps the programs of one installation running: starts them, starts again what dies, stops all of them.

Knows processes and signals; knows nothing of Django or of what the programs do.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

STOP_WITHIN_S = 8
LONGEST_PAUSE_S = 30
SOUND_AFTER_S = 60  # who ran this long is not in a loop of crashes: the next pause is short again


@dataclass(frozen=True, slots=True)
class Program:
    """One child. Its own children are in its process group and end with it."""

    name: str
    command: Sequence[str]


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
        greeting = _first(started(), self._stop.wait())
        await asyncio.gather(greeting, *(self._keep(program) for program in self._programs))

    async def _keep(self, program: Program) -> None:
        pause_s = 1.0
        while not self._stop.is_set():
            began = time.monotonic()
            process = await self._spawn(program)
            reading = asyncio.ensure_future(_pass_on(process))
            await _first(process.wait(), self._stop.wait())
            if self._stop.is_set():
                await _end(process)
            _kill_group(process)
            await reading
            if self._stop.is_set():
                return
            if time.monotonic() - began > SOUND_AFTER_S:
                pause_s = 1.0
            tell(f"{program.name} {_how_it_ended(process)}; it starts again in {pause_s:.0f} s.")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def _spawn(self, program: Program) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *program.command,
            cwd=self._folder,
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches the supervisor alone, which stops the others in order
        )


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
