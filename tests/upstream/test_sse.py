from hypothesis import given
from hypothesis import strategies as st

from upstream.sse import Parser

LINE_ENDS = st.sampled_from([b"\n", b"\r", b"\r\n"])
LINES = st.sampled_from(
    [b"data: one", b"data:two", b"data", b"data:", b"data:  \xf0\x9f\x99\x82", b": note", b"id: 1", b"event: x", b""]
)


def parsed(pieces: list[bytes], *, cap: int = 1000) -> list[bytes]:
    parser = Parser(cap=cap)
    return [data for piece in pieces for data in parser.feed(piece)] + parser.end()


@st.composite
def cut_streams(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    stream = draw(st.sampled_from([b"", b"\xef\xbb\xbf"]))
    for line in draw(st.lists(LINES, max_size=20)):
        stream += line + draw(LINE_ENDS)
    stream = stream[: len(stream) - draw(st.integers(0, 2))]
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    return stream, [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]


@given(cut_streams())
def test_events_do_not_depend_on_how_the_bytes_were_cut(cut_stream):
    stream, pieces = cut_stream

    assert parsed(pieces) == parsed([stream])


@given(st.binary(max_size=300), st.integers(1, 40))
def test_any_bytes_in_any_pieces_give_the_same_events_under_a_cap(stream, size):
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]

    assert parsed(pieces, cap=20) == parsed([stream], cap=20)


def test_several_lines_of_data_become_one_event():
    assert parsed([b"data: one\ndata: two\n\n"]) == [b"one\ntwo"]


def test_other_fields_and_comments_are_dropped():
    assert parsed([b": hi\n\nretry: 5\nid: 7\nevent: ping\ndata: {}\n\nevent: only\n\n"]) == [b"{}"]


def test_one_space_after_the_colon_is_not_data():
    assert parsed([b"data:  two spaces\n\ndata:none\n\n"]) == [b" two spaces", b"none"]


def test_each_line_end_ends_an_event():
    assert parsed([b"data: a\r\n\r\ndata: b\r\rdata: c\n\n"]) == [b"a", b"b", b"c"]


def test_event_ended_by_cr_alone_does_not_wait_for_the_next_read():
    assert Parser(cap=100).feed(b"data: now\r\r") == [b"now"]


def test_byte_order_mark_counts_only_at_the_start():
    assert parsed([b"\xef", b"\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n"]) == [b"a"]


def test_last_event_needs_no_blank_line():
    assert parsed([b"data: a\n\ndata: [DONE]"]) == [b"a", b"[DONE]"]


def test_event_above_the_cap_ends_the_parsing():
    parser = Parser(cap=50)

    events = parser.feed(b"data: a\n\ndata: " + b"x" * 60 + b"\n\ndata: b\n\n")

    assert events == [b"a"]
    assert parser.overflowed
    assert parser.feed(b"data: c\n\n") + parser.end() == []


def test_endless_line_is_given_up_without_its_end():
    parser = Parser(cap=50)

    for _ in range(10):
        parser.feed(b"xxxxxxxx")

    assert parser.overflowed
