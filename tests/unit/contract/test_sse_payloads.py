"""Payloads of server-sent events are the same for any split, line end or further field."""

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
def test_sse_payload_is_the_data_of_an_event(stream: bytes, payloads: list[bytes]) -> None:
    assert decode(stream) == payloads


@pytest.mark.parametrize("line_end", LINE_ENDS.values(), ids=LINE_ENDS)
@pytest.mark.parametrize(("stream", "payloads"), EVENTS.values(), ids=EVENTS)
def test_sse_payloads_of_a_stream_cut_anywhere_are_equal(stream: bytes, payloads: list[bytes], line_end: bytes) -> None:
    # One more line end completes a CR that could be half of a CRLF.
    stream = stream.replace(b"\n", line_end) + b": end"
    for cut in range(len(stream) + 1):
        assert decode(stream[:cut], stream[cut:]) == payloads


@pytest.mark.parametrize("line_end", LINE_ENDS.values(), ids=LINE_ENDS)
def test_sse_payloads_of_a_stream_byte_by_byte_are_equal(line_end: bytes) -> None:
    whole = b"".join(stream for stream, _ in EVENTS.values() if stream.endswith(b"\n\n")).replace(b"\n", line_end)
    stream = whole + b": end"

    assert decode(*(stream[place : place + 1] for place in range(len(stream)))) == decode(stream)


def test_sse_payloads_may_mix_all_kinds_of_line_ends() -> None:
    assert decode(b"data: a\r\n\ndata: b\r\rdata: c\n\r\ndata: d\n\n") == [b"a", b"b", b"c", b"d"]


def test_sse_payloads_count_a_split_line_end_once() -> None:
    assert decode(b"data: a\r", b"\ndata: b\r\n\r", b"\n") == [b"a\nb"]


def test_sse_payloads_are_returned_as_soon_as_an_event_is_whole() -> None:
    decoder = SseDecoder()

    assert decoder.payloads(b"data: a\n\n") == [b"a"]
    assert decoder.payloads(b"data: b\r\n\r\n") == [b"b"]


@given(st.lists(st.binary(max_size=20), max_size=6))
def test_sse_payloads_of_any_bytes_in_any_pieces_equal_those_of_the_whole(pieces: list[bytes]) -> None:
    assert decode(*pieces, b"\n\n") == decode(b"".join(pieces), b"\n\n")


def test_sse_payloads_reject_an_endless_event_beyond_the_bound() -> None:
    decoder = SseDecoder()
    piece = b"x" * (EVENT_BYTES_MAX // 4)
    for _ in range(4):
        assert decoder.payloads(piece) == []

    with pytest.raises(EventTooLarge):
        decoder.payloads(b"x")


def test_sse_payloads_accept_a_large_event_that_ends_within_the_bound() -> None:
    payload = b"x" * (EVENT_BYTES_MAX - 6)

    assert decode(b"data: " + payload, b"\n\n") == [payload]
