"""Logging: one JSON object a line on standard error, each with the id of the request it belongs to.

Knows no prompt, reply or key: whoever logs passes named fields, and anything shaped like a key is masked here, at the
sink, in case a library's message carries one.
"""

import json
import logging
import logging.config
import re
import time
from typing import Any

from accounts.ids import current_request_id

# The last is the address in a mail that resets a password, which is as good as the password.
KEY_SHAPES = re.compile(r"\b(sk-|Bearer\s+|/reset/key/)[A-Za-z0-9_\-.]{6,}")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "taskName",
    "request",
    "server_time",
}


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request_id := current_request_id():
            line["request_id"] = request_id
        line |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return KEY_SHAPES.sub(r"\1…", json.dumps(line, ensure_ascii=True, default=str))


def configure(level: str) -> None:
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"json": {"()": JsonFormatter}},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
            "root": {"handlers": ["stderr"], "level": level},
            # These print whole URLs and SQL, which may carry secrets, below WARNING.
            "loggers": {
                name: {"level": "WARNING"} for name in ("httpx", "httpcore", "aiohttp", "asyncio", "django.db")
            },
        }
    )
