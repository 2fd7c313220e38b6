"""JSON that is read and written quickly says what the standard library would have said."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upstream import fast_json

TEXTS = st.text()
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
)
# What nearly is JSON: a text of it, with something put in somewhere or taken out.
SIGNS = '0123456789.eE+-[]{},:"\\/u \t\n\x00\x1f\x7f\u2028\ufeffNI'
CHANGES = st.tuples(st.integers(0, 200), st.sampled_from([*SIGNS, ""]))


def standard(text: str) -> Any:
    return json.loads(text)


def read(text: str) -> str:
    """As read by us, or what is wrong: numbers and the order of names count, which `==` passes over."""
    try:
        return repr(fast_json.decode(text, otherwise=standard))
    except ValueError as error:
        return f"{type(error).__name__}: {error}"


def read_by_the_standard_library(text: str) -> str:
    try:
        return repr(standard(text))
    except ValueError as error:
        return f"{type(error).__name__}: {error}"


@given(VALUES, st.lists(CHANGES, max_size=3), st.booleans())
def test_what_is_read_is_what_the_standard_library_reads(value, changes, is_ascii):
    text = json.dumps(value, ensure_ascii=is_ascii)
    for place, put in changes:
        text = text[:place] + put + text[place + (not put) :]

    assert read(text) == read_by_the_standard_library(text)


HARDLY_JSON = ["1e400", "-1e400", "NaN", "9" * 4000, "9" * 5000, '"\\ud800"', "", "\ufeff{}", "[" * 999]


@pytest.mark.parametrize("text", HARDLY_JSON)
def test_so_is_what_is_hardly_json(text):
    assert read(text) == read_by_the_standard_library(text)


@given(VALUES)
def test_what_is_written_is_read_as_the_same(value):
    assert repr(json.loads(fast_json.encode(value))) == repr(value)


def test_it_is_written_without_spaces():
    assert fast_json.encode({"a": [1, 2.5, None, True], "é": "a b"}) == '{"a":[1,2.5,null,true],"é":"a b"}'.encode()


@pytest.mark.parametrize("text", ["half \ud800 of one", "é", "\u2028 </script>", "\x00\x1f\x7f"])
def test_any_text_is_written(text):
    assert json.loads(fast_json.encode({text: text})) == {text: text}


def test_texts_and_numbers_of_a_class_of_their_own_are_written_and_objects_are_not():
    class Word(str):
        pass

    class Count(int):
        pass

    assert fast_json.encode({"a": Word("b"), "c": Count(3)}) == b'{"a":"b","c":3}'
    with pytest.raises(TypeError, match="object"):
        fast_json.encode({"a": object()})


def test_a_number_without_an_end_is_written_as_nothing():
    assert fast_json.encode([float("inf"), float("nan")]) == b"[null,null]"
