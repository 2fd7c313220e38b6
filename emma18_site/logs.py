"""Logging: one JSON object a line on standard error, each with the id of the request it belongs to.

Knows no prompt, reply or key: whoever logs passes named fields, and anything shaped like a key is masked here, at the
sink, in case a library's message carries one.
"""

import json
import logging
import logging.config
import re
import time
from functools import lru_cache
from itertools import islice
from typing import Any

from accounts.ids import current_request_id
from upstream import fast_json

# The last is the address in a mail that resets a password, which is as good as the password.
KEY_SHAPES = re.compile(r"\b(sk-|Bearer\s+|/reset/key/)[A-Za-z0-9_\-.]{6,}")
_OWN = vars(logging.makeLogRecord({}))  # what every record begins with; what is passed on as fields comes after it
_STANDARD = frozenset(_OWN) | {
    "message",
    "asctime",
    "taskName",
    "request",
    "server_time",
}


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": f"{_second(int(record.created))}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request_id := current_request_id():
            line["request_id"] = request_id
        for name, value in islice(vars(record).items(), len(_OWN), None):
            if name not in _STANDARD:
                line[name] = value
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return _masked(_encode(line))


def _encode(line: dict[str, Any]) -> str:
    """In ASCII. A line is written for each request, nearly always of plain values; an object may know better than its
    fields what of it is to be shown."""
    if _PLAIN.issuperset(map(type, line.values())):
        text = fast_json.encode(line)
        if text.isascii():
            return text.decode()
    return _encode_anything(line)


_PLAIN = frozenset((str, int, float, bool, type(None)))
_encode_anything = json.JSONEncoder(separators=(",", ":"), check_circular=False, default=str).encode


@lru_cache(maxsize=1)
def _second(epoch_s: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(epoch_s))


def _masked(text: str) -> str:
    # Looking for what the shapes begin with takes a sixth of the time that looking for the shapes takes.
    may_hold_one = "sk-" in text or "Bearer" in text or "/reset/key/" in text
    return KEY_SHAPES.sub(r"\1…", text) if may_hold_one else text


def configure(level: str) -> None:
    # Nothing here prints where a line came from; to find it out takes as long as to format the line.
    # These are the switches that the logging HOWTO has for it, under Optimization.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.logAsyncioTasks = False  # type: ignore[attr-defined]
    logging._srcfile = None
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"json": {"()": JsonFormatter}},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
            "root": {"handlers": ["stderr"], "level": level},
            # Below WARNING these print whole URLs and SQL, which may carry secrets; django-q five lines a job.
            "loggers": {
                name: {"level": "WARNING"}
                for name in ("httpx", "httpcore", "aiohttp", "asyncio", "django.db", "django-q")
            },
        }
    )
