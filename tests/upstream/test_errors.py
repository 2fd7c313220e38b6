import pytest

from upstream.errors import provider_words

KEY = "pk_live_0123456789"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (f"Bad key {KEY}!", "Bad key [redacted]!"),
        ("Incorrect API key provided: sk-proj-********abcd.", "Incorrect API key provided: [redacted]"),
        ("header 'Authorization: Bearer abc.def'", "header 'Authorization: [redacted]'"),
        ("two\nlines\x1b[31m\u202e of\x00 it", "two lines [31m of it"),
        ("a risk-free task-1234 at ask-me", "a risk-free task-1234 at ask-me"),
        ("", ""),
    ],
)
def test_provider_words_are_one_clean_line_without_keys(said, shown):
    assert provider_words(said, secret=KEY) == shown


def test_provider_words_are_capped():
    assert len(provider_words("long " * 1000, secret=KEY)) == 300


def test_a_key_that_crosses_the_cap_is_struck_out_first():
    assert "pk_live" not in provider_words("x" * 290 + " " + KEY, secret=KEY)


def test_a_placeholder_key_does_not_mangle_the_words():
    assert provider_words("none of the models", secret="none") == "none of the models"
