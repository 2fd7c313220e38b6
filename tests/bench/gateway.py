"""`manage.py bench gateway`: our gateway side by side with LiteLLM, Portkey and the upstream called directly.

All stand before the same mock upstream and are asked in turn, measure by measure and round by round, so that what else
the machine does falls on all of them alike. The gateways share one core, upstream and load generator have the others.
What is printed are medians of the rounds. Everything is on loopback, and only what was started here is ended.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from django.conf import settings

from tests.bench import report, upstream
from tests.bench.contender import Contender, end, pinned
from tests.bench.load import STREAM_DEADLINE_S, Job, Measured
from tests.bench.peers import PEERS
from tests.bench.report import ADDED, ALONE, COLD, CPU, DIRECT, FIRST, OURS, RATE, RSS, Results
from tests.install import Missing
from tests.server import ROOT, RunningServer, installation

HELP = "our gateway beside LiteLLM, Portkey and no gateway at all"
PROCESS_START_S = 20
WARM_UP_MEASURES = 2  # V8 takes seconds under load to reach its speed

# The team that pays and the key it calls with; the prices are those that the upstream lists.
SCENE = """
from django.db import transaction
from accounts import keys, ledger
from accounts.callers import Caller
from accounts.models import Membership
from catalog import sync
from emma18_site import onboarding
alice, team = onboarding.found_installation(
    name="alice", email="alice@example.org", password="a long enough password", team_name="Northlight")
with transaction.atomic():
    ledger.top_up(team, by=alice, key="bench", amount_nanousd=10**15)
sync.connect(team, kind="openai-compatible", name="Loopback", base_url={base_url!r}, api_key="sk-upstream")
print(keys.issue(Caller(user=alice, team=team, role=Membership.Role.OWNER), name="bench")[1])
"""


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=3, help="rounds, of which medians are taken (%(default)s)")
    parser.add_argument("--seconds", type=float, default=3.0, help="seconds of each measure (%(default)s)")
    parser.add_argument(
        "--streams", type=int, nargs="?", const=500, default=0, help="measure so many streams at once as well (500)"
    )
    parser.add_argument("--without-peers", action="store_true", help="only EMMA18, which proves nothing about them")
    parser.add_argument("--into", type=Path, metavar="DIR", help="where the peers are installed (bench/ in the data)")
    parser.add_argument(
        "--database-url", default="", metavar="URL", help="a PostgreSQL in which a database is made for the run"
    )


@dataclass(frozen=True, slots=True)
class Options:
    """What `add_arguments` offers."""

    rounds: int
    seconds: float
    streams: int
    without_peers: bool
    into: Path | None
    database_url: str


def run(options: Options, *, write: Callable[[str], object]) -> int:
    """Measure and print. Returns how many requests EMMA18 failed to answer."""
    cores = sorted(os.sched_getaffinity(0))
    with database_at(options.database_url), ExitStack() as running:
        others = set(cores[1:]) or set(cores)
        with pinned(others):
            port = running.enter_context(_upstream())
        server = running.enter_context(installation())
        contenders = [Contender(DIRECT, "", port, "/v1/chat/completions", {})]
        with pinned({cores[0]}):
            contenders.append(running.enter_context(_emma18(server, upstream_port=port)))
            if not options.without_peers:
                contenders += _peers(running, options.into or settings.DATA_DIR / "bench", port, write=write)
        write(_about(contenders, cores, options))
        results = _measured(contenders, partial(_load, others), options)
        write(report.text(results))
        write(server.manage("ledgercheck").strip())
    if options.without_peers:
        write("Measured without peers: this proves nothing about how EMMA18 compares with them.")
    return results.failed[OURS]


def _peers(running: ExitStack, into: Path, upstream_port: int, *, write: Callable[[str], object]) -> list[Contender]:
    """Those that could be installed and started; of the others it is said why not."""
    folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="emma18-bench-")))
    found = []
    for peer in PEERS:
        (scratch := folder / peer.name).mkdir()
        try:
            found.append(running.enter_context(peer.running(into, scratch, upstream_port=upstream_port)))
        except Missing as reason:
            write(f"Without {peer.name}: {reason}\n")
    return found


type _Load = Callable[[Job], Measured]
type _Measure = Callable[[_Load, Contender, Results], Measured]


def _measured(contenders: list[Contender], load: _Load, options: Options) -> Results:
    results = Results([contender.name for contender in contenders])
    seconds = options.seconds
    measures: list[_Measure] = [partial(_alone, seconds), partial(_together, seconds), partial(_first_chunk, seconds)]
    if options.streams:
        measures.append(partial(_streams, options.streams))
    for contender in contenders:
        load(contender.job(upstream.MODEL, report.CONNECTIONS, seconds * WARM_UP_MEASURES))
    for _ in range(options.rounds):
        for measure in measures:
            for contender in contenders:
                results.count(contender.name, measure(load, contender, results))
    for contender in contenders:
        if contender.pid:
            results.add(contender.name, RSS, contender.rss_bytes() / 1e6)
            results.add(contender.name, COLD, contender.cold_start_s)
    return results


def _alone(seconds: float, load: _Load, contender: Contender, results: Results) -> Measured:
    measured = load(contender.job(upstream.MODEL, 1, seconds))
    if measured.done:
        results.add(contender.name, ALONE, measured.whole_p50_s * 1e3)
        if contender.name != DIRECT:
            added_ms = measured.whole_p50_s * 1e3 - results.last(DIRECT, ALONE)
            results.add(contender.name, ADDED, added_ms)
    return measured


def _together(seconds: float, load: _Load, contender: Contender, results: Results) -> Measured:
    cpu_s = contender.cpu_s()
    measured = load(contender.job(upstream.MODEL, report.CONNECTIONS, seconds))
    if measured.done:
        results.add(contender.name, RATE, measured.done / measured.elapsed_s)
        if contender.pid:
            results.add(contender.name, CPU, (contender.cpu_s() - cpu_s) * 1e6 / measured.done)
    return measured


def _first_chunk(seconds: float, load: _Load, contender: Contender, results: Results) -> Measured:
    measured = load(contender.job(upstream.FAST, 1, seconds, is_stream=True))
    if measured.done:
        results.add(contender.name, FIRST, measured.first_p50_s * 1e3)
    return measured


def _streams(count: int, load: _Load, contender: Contender, results: Results) -> Measured:
    cpu_s = contender.cpu_s()
    measured = load(contender.job(upstream.PACED, count, 0, is_stream=True))
    results.add(contender.name, report.STREAMS_DONE, measured.done / count * 100)
    results.add(contender.name, report.STREAMS_TIME, measured.elapsed_s)
    results.add(contender.name, report.STREAMS_DELAY, measured.delay_p99_s * 1e3)
    results.add(contender.name, report.STREAMS_RATIO, measured.elapsed_s / results.last(DIRECT, report.STREAMS_TIME))
    if contender.pid:
        chunks = count * upstream.STREAMS[upstream.PACED][0]
        results.add(contender.name, report.STREAMS_CPU, (contender.cpu_s() - cpu_s) * 1e6 / chunks)
    return measured


def _load(cores: set[int], job: Job) -> Measured:
    command = [sys.executable, "-m", "tests.bench.load", json.dumps(asdict(job))]
    within_s = job.seconds + STREAM_DEADLINE_S + PROCESS_START_S
    with pinned(cores):
        told = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, timeout=within_s).stdout
    return Measured(**json.loads(told))


@contextmanager
def _upstream() -> Iterator[int]:
    """The mock upstream's port."""
    command = [sys.executable, "-m", "tests.bench.upstream"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout
    with process.stdout as told:
        try:
            yield int(told.readline())
        finally:
            end(process)


@contextmanager
def _emma18(server: RunningServer, *, upstream_port: int) -> Iterator[Contender]:
    """The real server, whose data the scene was put into before."""
    key = server.run_python(SCENE.format(base_url=f"http://127.0.0.1:{upstream_port}/v1")).strip()
    headers = {"authorization": f"Bearer {key}"}
    port = int(server.base_url.rpartition(":")[2])
    contender = Contender(OURS, settings.VERSION, port, "/api/v1/chat/completions", headers)
    began_at = time.monotonic()
    try:
        server.start()
        if not contender.answers():
            raise RuntimeError(f"The server completes no chat:\n{server.log[-3000:]}")
        assert server.process
        contender.pid, contender.cold_start_s = server.process.pid, time.monotonic() - began_at
        yield contender
    finally:
        server.stop()


@contextmanager
def database_at(url: str) -> Iterator[None]:
    """What `installation` reads: '' for SQLite in a folder of its own, whatever database this installation has."""
    name = "EMMA18_DATABASE_URL"
    before = os.environ.get(name)
    os.environ[name] = url
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before


def _about(contenders: list[Contender], cores: list[int], options: Options) -> str:
    database = "PostgreSQL" if os.environ["EMMA18_DATABASE_URL"] else "SQLite"
    lines = [f"{contender.name} {contender.version}" for contender in contenders if contender.version]
    shared = "one core for the gateways, the others for upstream and load"
    if len(cores) == 1:
        shared = "a single core for everything, which tells little"
    lines.append(f"{len(cores)} cores ({shared}), load average {os.getloadavg()[0]:.1f} before")
    lines.append(f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, EMMA18 on {database}")
    lines.append(f"Medians of {options.rounds} rounds, {options.seconds:g} s a measure")
    return "\n".join(lines) + "\n"
