"""The process of one cluster of background workers: `python -m emma18_site.workers default`.

It loads the application once and forks django-q2's cluster, which stands or falls as a whole: a process of it that
dies by a signal may have held a lock which the others would wait for until the end of days, so all of them end at once
and a new cluster is forked, which takes a moment where a new process would take seconds. Everything here ends with the
process that started it.
"""

import ctypes
import logging
import os
import signal
import sys
import time
import uuid
from multiprocessing.process import BaseProcess
from typing import Any

from upstream import parent

PR_SET_PDEATHSIG = 1
LOOKS_EVERY_S = 0.1
PAUSE_S = 1

_starter = 0

logger = logging.getLogger(__name__)


class Signal:
    """What django-q2 asks of an event. One of multiprocessing's could not be set from a signal's handler: that may
    interrupt the very code that holds the event's lock."""

    def __init__(self) -> None:
        self._is_set = False

    def is_set(self) -> bool:
        return self._is_set

    def set(self, *_: object) -> None:
        self._is_set = True

    def clear(self) -> None:
        self._is_set = False

    def wait(self, timeout: float) -> bool:
        time.sleep(timeout)
        return self._is_set


def main(name: str) -> None:
    _die_with(parent.process_id())
    os.environ["Q_CLUSTER_NAME"] = name  # read when the library loads
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "emma18_site.settings")
    import django

    django.setup()
    os.register_at_fork(before=_note_starter, after_in_child=_start_as_child)
    _keep_record(name)
    stop, afresh = Signal(), Signal()
    signal.signal(signal.SIGTERM, stop.set)
    signal.signal(signal.SIGUSR1, afresh.set)  # from the watcher: the cluster hangs
    while not stop.is_set():
        if _run_once(name, stop, afresh) != -signal.SIGKILL or sys.platform != "linux":
            break
        if not stop.is_set():
            logger.error("the background cluster was killed and starts again", extra={"cluster": name})
            stop.wait(PAUSE_S)
    sys.exit(0 if stop.is_set() else 1)  # the supervisor starts us again, less and less often


def _run_once(name: str, stop: Signal, afresh: Signal) -> int:
    """The cluster's exit code. Told to stop, it lets finish what runs and begins nothing further."""
    from django.db import connections

    from accounts import queue

    queue.release(name)
    connections.close_all()  # none may be shared by two processes
    pid = os.fork()
    if pid == 0:
        _guard()
        os._exit(0)
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if stop.wait(LOOKS_EVERY_S):
            os.kill(pid, signal.SIGTERM)
        if afresh.is_set():
            afresh.clear()
            os.kill(pid, signal.SIGKILL)


def _guard() -> None:
    from django_q.cluster import Sentinel
    from django_q.scheduler import scheduler

    class Guard(Sentinel):
        def guard(self) -> None:
            scheduler(broker=self.broker)  # the library first looks at the clock half a minute after its start
            super().guard()

        def reincarnate(self, process: BaseProcess) -> None:
            if process.exitcode is not None and process.exitcode < 0:
                os.kill(os.getpid(), signal.SIGKILL)  # and all that were forked from here with it
            super().reincarnate(process)

    stop, started = Signal(), Signal()
    guard = Guard(stop, started, uuid.uuid4(), start=False)
    signal.signal(signal.SIGTERM, stop.set)
    guard.start()


def _keep_record(cluster: str) -> None:
    """Of what the workers are at, so that a job whose worker died is begun again, and again, but not for ever."""
    from django.db import Error
    from django_q.signals import post_execute_in_worker, pre_execute

    from accounts import heartbeats, queue

    def note(task: dict[str, Any], write: Any) -> None:
        if task["func"] == heartbeats.BEAT:
            return
        try:
            write()
        except Error:  # the job itself will meet it and knows what to do
            logger.exception("no record of a job", extra={"job": task["func"]})

    def began(*, task: dict[str, Any], **_: object) -> None:
        note(task, lambda: queue.note_start(task, cluster=cluster))

    def ended(*, task: dict[str, Any], **_: object) -> None:
        note(task, lambda: queue.note_end(task))

    pre_execute.connect(began, weak=False)
    post_execute_in_worker.connect(ended, weak=False)


def _note_starter() -> None:
    """Who forks: a child that asks for its parent's id may have lost it already."""
    global _starter
    _starter = os.getpid()


def _start_as_child() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    _die_with(_starter)


def _die_with(starter: int) -> None:
    """Linux alone offers it; elsewhere the supervisor, unless it is killed itself, ends our process group."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != starter:  # it went before we asked
            os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1])
