"""A web process that dies at a chosen step of a transaction: `python -m tests.faults.dying_web POINT --port N`.

Counted are, from when the file `armed` appears in the data folder: the first statement of each transaction, the moment
before its commit and the moment after. At number POINT the process group is killed.
"""

import os
import signal
import sys
from itertools import count
from pathlib import Path
from typing import Any

from emma18_site import web

POINT = int(sys.argv.pop(1))
ARMED = Path(os.environ["EMMA18_DATA_DIR"]) / "armed"
_points = count()


def _pass_point() -> None:
    if ARMED.exists() and next(_points) == POINT:
        os.killpg(os.getpgrp(), signal.SIGKILL)


def _watch(connection: Any, **_: Any) -> None:
    has_begun = False
    commit = connection._commit

    def before_statement(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal has_begun
        if connection.in_atomic_block and not has_begun:
            has_begun = True
            _pass_point()
        return execute(sql, params, many, context)

    def watched_commit() -> None:
        nonlocal has_begun
        _pass_point()
        commit()
        _pass_point()
        has_begun = False

    connection.execute_wrappers.append(before_statement)
    connection._commit = watched_commit


_load = web.load


def load() -> web.Application:
    application = _load()
    from django.db.backends.signals import connection_created

    connection_created.connect(_watch, weak=False, dispatch_uid="dying")
    return application


if __name__ == "__main__":
    web.load = load
    web.main()
