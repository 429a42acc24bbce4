"""Server-sent events come out the same however they were cut, ended or decorated."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock_contract.stream.sse import EVENT_BYTES_MAX, EventTooLarge, SseDecoder

EVENTS = {
    "one line": (b'data: {"a":1}\n\n', [b'{"a":1}']),
    "no space after the colon": (b'data:{"a":1}\n\n', [b'{"a":1}']),
    "only one space is taken away": (b"data:  a\n\n", [b" a"]),
    "two events": (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
    "more lines of data": (b"data: a\ndata: b\n\n", [b"a\nb"]),
    "an empty line of data between": (b"data: a\ndata:\ndata: b\n\n", [b"a\n\nb"]),
    "a comment": (b": ping\n\ndata: a\n\n", [b"a"]),
    "a comment with a single line end": (b": OPENROUTER PROCESSING\ndata: a\n\n", [b"a"]),
    "event, id and retry": (b"event: delta\nid: 7\nretry: 3000\ndata: a\n\n", [b"a"]),
    "fields after the data": (b"data: a\nid: 7\n\n", [b"a"]),
    "an event without data": (b"event: ping\n\ndata: a\n\n", [b"a"]),
    "a field that only begins like data": (b"datax: a\n\ndata: b\n\n", [b"b"]),
    "more blank lines than needed": (b"\n\n\ndata: a\n\n\n\ndata: b\n\n", [b"a", b"b"]),
    "an event without its end": (b"data: a\n\ndata: b\n", [b"a"]),
    "a line separator that is none": ("data: a\u2028b\n\n".encode(), ["a\u2028b".encode()]),
    "done": (b"data: a\n\ndata: [DONE]\n\n", [b"a", b"[DONE]"]),
}
LINE_ENDS = {"LF": b"\n", "CRLF": b"\r\n", "CR": b"\r"}


def decode(*pieces: bytes) -> list[bytes]:
    decoder = SseDecoder()
    return [payload for piece in pieces for payload in decoder.payloads(piece)]


@pytest.mark.parametrize(("stream", "payloads"), EVENTS.values(), ids=EVENTS)
def test_the_data_of_an_event_is_its_payload(stream: bytes, payloads: list[bytes]) -> None:
    assert decode(stream) == payloads


@pytest.mark.parametrize("line_end", LINE_ENDS.values(), ids=LINE_ENDS)
@pytest.mark.parametrize(("stream", "payloads"), EVENTS.values(), ids=EVENTS)
def test_a_stream_cut_anywhere_says_the_same(stream: bytes, payloads: list[bytes], line_end: bytes) -> None:
    # One more line end shows that the last CR is not half of a CRLF.
    stream = stream.replace(b"\n", line_end) + b": end"
    for cut in range(len(stream) + 1):
        assert decode(stream[:cut], stream[cut:]) == payloads


@pytest.mark.parametrize("line_end", LINE_ENDS.values(), ids=LINE_ENDS)
def test_a_stream_that_comes_byte_by_byte_says_the_same(line_end: bytes) -> None:
    whole = b"".join(stream for stream, _ in EVENTS.values() if stream.endswith(b"\n\n")).replace(b"\n", line_end)
    stream = whole + b": end"

    assert decode(*(stream[place : place + 1] for place in range(len(stream)))) == decode(stream)


def test_line_ends_of_all_kinds_may_be_mixed() -> None:
    assert decode(b"data: a\r\n\ndata: b\r\rdata: c\n\r\ndata: d\n\n") == [b"a", b"b", b"c", b"d"]


def test_a_line_end_cut_in_the_middle_is_not_two() -> None:
    assert decode(b"data: a\r", b"\ndata: b\r\n\r", b"\n") == [b"a\nb"]


def test_nothing_is_held_back_once_an_event_is_whole() -> None:
    decoder = SseDecoder()

    assert decoder.payloads(b"data: a\n\n") == [b"a"]
    assert decoder.payloads(b"data: b\r\n\r\n") == [b"b"]


@given(st.lists(st.binary(max_size=20), max_size=6))
def test_any_bytes_in_any_pieces_are_decoded_as_their_whole(pieces: list[bytes]) -> None:
    assert decode(*pieces, b"\n\n") == decode(b"".join(pieces), b"\n\n")


def test_an_event_without_an_end_is_refused_when_it_is_too_large() -> None:
    decoder = SseDecoder()
    piece = b"x" * (EVENT_BYTES_MAX // 4)
    for _ in range(4):
        assert decoder.payloads(piece) == []

    with pytest.raises(EventTooLarge):
        decoder.payloads(b"x")


def test_a_large_event_that_ends_in_time_is_read() -> None:
    payload = b"x" * (EVENT_BYTES_MAX - 6)

    assert decode(b"data: " + payload, b"\n\n") == [payload]
