"""A log line: one JSON object, in which nothing shaped like a key is left."""

import json
import logging
from dataclasses import dataclass, field

import pytest

from emma18_site.logs import JsonFormatter


@pytest.mark.parametrize(
    "key", ["sk-1234567890", "Bearer abcdef123456", "https://team.example.org/reset/key/3-abcdef-123456"]
)
def test_a_key_in_a_librarys_message_is_masked(key):
    record = logging.makeLogRecord({"msg": "sent %s", "args": (key,), "levelname": "INFO", "model": "llama"})

    line = json.loads(JsonFormatter().format(record))

    assert "123456" not in line["message"] and line["message"].endswith("…")
    assert line["model"] == "llama" and line["level"] == "info"


def test_the_time_of_a_line_is_utc_to_the_millisecond():
    record = logging.makeLogRecord({"msg": "done", "levelname": "INFO", "created": 86_400.25, "msecs": 250.0})

    assert json.loads(JsonFormatter().format(record))["time"] == "1970-01-02T00:00:00.250Z"


@dataclass
class Account:
    name: str
    password: str = field(repr=False)


@pytest.mark.parametrize("value", [Account("laptop", "secret words"), {"of": Account("laptop", "secret words")}])
def test_of_an_object_a_line_shows_what_the_object_shows_of_itself(value):
    record = logging.makeLogRecord({"msg": "opened", "levelname": "INFO", "account": value, "model": "大模型"})

    line = JsonFormatter().format(record)

    assert "laptop" in line and "secret" not in line
    assert line.isascii() and json.loads(line)["model"] == "大模型"
