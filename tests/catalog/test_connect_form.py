"""What the connect form says about addresses and keys that cannot work, before anything is sent."""

import pytest

from catalog.forms import ConnectForm

LOCAL = {"kind": "openai-compatible", "name": "", "base_url": "http://127.0.0.1:9/v1", "api_key": ""}


@pytest.mark.parametrize(
    ("base_url", "sentence"),
    [
        ("", "Enter the provider's base URL"),
        ("api.example.org/v1", "Begin the base URL with https://"),
        ("ftp://api.example.org/v1", "Begin the base URL with https://"),
        ("javascript:alert(1)", "Begin the base URL with https://"),
        ("https://", "names no host"),
        ("https:///v1", "names no host"),
        ("https://user:secret@api.example.org/v1", "Leave the user name and password out"),
        ("https://user@api.example.org/v1", "Leave the user name and password out"),
        ("https://api.example.org/v1?key=1", "Leave out everything from the ? or # on"),
        ("https://api.example.org/v1#top", "Leave out everything from the ? or # on"),
        ("https://api.example.org/v1?", "Leave out everything from the ? or # on"),
        ("https://api.example.org/my v1", "holds a space or an invisible character"),
        ("https://api.example.org/\u200bv1", "holds a space or an invisible character"),
        ("https://api.example.org:port/v1", "host or port of this base URL cannot be read"),
        ("https://api.example.org:99999/v1", "host or port of this base URL cannot be read"),
        ("https://[::1/v1", "host or port of this base URL cannot be read"),
        ("https://api.example.org/v1/chat/completions", "End the base URL before /chat/completions"),
        ("https://api.example.org/v1/models/", "End the base URL before /models"),
        ("https://api.example.org/" + "v" * 500, "at most 500 characters"),
    ],
)
def test_base_url_that_cannot_work_is_refused_with_what_to_change(base_url, sentence):
    form = ConnectForm(LOCAL | {"base_url": base_url})

    assert sentence in " ".join(form.errors["base_url"])


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("https://api.example.org/v1/", "https://api.example.org/v1"),
        ("  https://api.example.org//", "https://api.example.org"),
        ("http://[::1]:8080/v1", "http://[::1]:8080/v1"),
        ("HTTPS://api.example.org/v1", "HTTPS://api.example.org/v1"),
    ],
)
def test_base_url_is_kept_without_a_slash_at_its_end(typed, kept):
    form = ConnectForm(LOCAL | {"base_url": typed})

    assert form.is_valid(), form.errors
    assert form.cleaned_data["base_url"] == kept


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("Bearer sk-abcdefghijklmnop", "without a word before it"),
        ("sk-abcdef\nghijkl", "holds a space or an invisible character"),
        ("sk-abc\x00def", "Null characters"),
        ("sk-abc\x1bdef", "holds a space or an invisible character"),
        ("sk-abc\u200bdef", "holds a space or an invisible character"),
        ("sk-schlüssel", "holds a character that cannot be sent"),
        ("s" * 501, "longer than any key"),
    ],
)
def test_key_that_cannot_be_sent_is_refused_and_not_shown_again(key, sentence):
    form = ConnectForm(LOCAL | {"api_key": key})

    assert sentence in " ".join(form.errors["api_key"])
    assert key not in str(form["api_key"])


def test_key_is_taken_without_the_line_break_it_was_pasted_with():
    form = ConnectForm(LOCAL | {"api_key": " sk-abcdefghijklmnop\n"})

    assert form.is_valid()
    assert form.cleaned_data["api_key"] == "sk-abcdefghijklmnop"


def test_emma18_wants_a_key_and_a_server_of_ones_own_may_not():
    emma18 = ConnectForm(LOCAL | {"kind": "emma18", "base_url": "https://emma18.com/api/v1"})

    assert "Enter the key EMMA18 gave you" in " ".join(emma18.errors["api_key"])
    assert ConnectForm(LOCAL).is_valid()


def test_provider_without_a_name_takes_that_of_its_host():
    form = ConnectForm(LOCAL | {"base_url": "https://api.example.org/v1"})

    assert form.is_valid()
    assert form.cleaned_data["name"] == "api.example.org"


def test_provider_without_a_name_on_a_port_of_its_own_is_told_from_its_neighbours():
    form = ConnectForm(LOCAL | {"base_url": "http://127.0.0.1:11434/v1"})

    assert form.is_valid()
    assert form.cleaned_data["name"] == "127.0.0.1:11434"


@pytest.mark.parametrize("typed", ["https://emma18.com/api/v1", "HTTPS://EMMA18.com/api/v1/"])
def test_key_of_another_provider_is_not_sent_to_emma18(typed):
    form = ConnectForm(LOCAL | {"base_url": typed, "api_key": "sk-of-somebody-else"})

    assert "This is EMMA18's address. Choose EMMA18 above" in " ".join(form.errors["base_url"])


def test_models_by_hand_are_taken_one_a_line_and_once():
    form = ConnectForm(LOCAL | {"models_by_hand": " gpt-4o \r\n\r\nclaude/small\ngpt-4o\n"})

    assert form.is_valid()
    assert form.cleaned_data["models_by_hand"] == ["gpt-4o", "claude/small"]


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("gpt-4o, gpt-4o-mini", "“gpt-4o, gpt-4o-mini” is no model's id: one a line"),
        ("a\x1bb", "is no model's id"),
        ("x" * 201, "is no model's id"),
        ("\n".join(map(str, range(201))), "At most 200 models"),
    ],
)
def test_models_by_hand_that_cannot_be_asked_for_are_refused(typed, sentence):
    form = ConnectForm(LOCAL | {"models_by_hand": typed})

    assert sentence in " ".join(form.errors["models_by_hand"])


@pytest.mark.parametrize("kind", ["", "embedded", "nonsense"])
def test_only_kinds_that_can_be_connected_are_taken(kind):
    assert "kind" in ConnectForm(LOCAL | {"kind": kind}).errors
