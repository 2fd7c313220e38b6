"""A log line: one JSON object, in which nothing shaped like a key is left."""

import json
import logging

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
