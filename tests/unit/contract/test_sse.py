"""The decoder of server-sent events against WHATWG HTML §9.2."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock_contract.stream.sse import EventTooLarge, ServerSentEvent, SseDecoder

SIMPLE_WIRE = 'data: {"text":"Grüß dich"}\n\n: ping\n\nevent: error\ndata: {"error":{}}\n\ndata: [DONE]\n\n'.encode()


def decode(*pieces: bytes) -> list[ServerSentEvent]:
    decoder = SseDecoder()
    return [event for piece in pieces for event in decoder.events(piece)]


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        pytest.param(b"data: a\n\n", [("message", "a")], id="LF"),
        pytest.param(b"data: a\r\n\r\n", [("message", "a")], id="CRLF"),
        pytest.param(b"data: a\r\r", [("message", "a")], id="CR"),
        pytest.param(b"data: a\r\n\ndata: b\n\r", [("message", "a"), ("message", "b")], id="mixed ends"),
        pytest.param(b"data:a\n\n", [("message", "a")], id="the space is optional"),
        pytest.param(b"data:  a\n\n", [("message", " a")], id="only one space is dropped"),
        pytest.param(b"data: a\ndata: b\n\n", [("message", "a\nb")], id="data of many lines"),
        pytest.param(b"data\ndata\n\n", [("message", "\n")], id="data without a colon is empty data"),
        pytest.param(b"event: error\ndata: a\n\ndata: b\n\n", [("error", "a"), ("message", "b")], id="named"),
        pytest.param(b"event: ping\n\ndata: a\n\n", [("message", "a")], id="no data, no event, no name left over"),
        pytest.param(b": ping\n\n:\n\n", [], id="comments"),
        pytest.param(b"retry: 3000\n\nfoo: bar\ndata: a\n\n", [("message", "a")], id="unknown fields"),
        pytest.param("\ufeffdata: a\n\n".encode(), [("message", "a")], id="byte order mark"),
        pytest.param(b"data: a\n\ndata: b\n", [("message", "a")], id="an unfinished event is dropped"),
        pytest.param("data: a\u2028b\x0b\n\n".encode(), [("message", "a\u2028b\x0b")], id="only CR and LF end lines"),
        pytest.param(b"data: \xff\n\n", [("message", "\ufffd")], id="not UTF-8"),
    ],
)
def test_sse_decodes_each_rule_of_the_specification(wire: bytes, expected: list[tuple[str, str]]) -> None:
    """One example for each rule of the specification."""
    assert expected == [(event.event, event.data) for event in decode(wire)]


def test_sse_keeps_the_last_id() -> None:
    """An id holds until the next one; one with NUL is ignored."""
    events = decode(b"id: 7\ndata: a\n\ndata: b\n\nid: \0\ndata: c\n\nid\ndata: d\n\n")

    assert [event.id for event in events] == ["7", "7", "7", ""]


@pytest.mark.parametrize("wire", [SIMPLE_WIRE, SIMPLE_WIRE.replace(b"\n", b"\r\n"), SIMPLE_WIRE.replace(b"\n", b"\r")])
def test_sse_decodes_a_stream_split_at_every_offset(wire: bytes) -> None:
    """The events are the same for any split of the bytes."""
    whole = decode(wire)

    assert len(whole) == 3
    for offset in range(len(wire) + 1):
        assert whole == decode(wire[:offset], wire[offset:])
    assert whole == decode(*(wire[i : i + 1] for i in range(len(wire))))


LINES = st.sampled_from(
    [
        b"data: a",
        b"data:",
        b"data",
        b"event: error",
        b"id: 1",
        b": x",
        b"",
        b"\xc3\xa9",
        b"data: \xc3\xa9",
        b"\xef\xbb\xbf",
    ]
)
WIRES = st.lists(st.tuples(LINES, st.sampled_from([b"\n", b"\r\n", b"\r", b"", b"\n\n"]))).map(
    lambda lines: b"".join(line + end for line, end in lines)
)


@given(wire=WIRES, cuts=st.lists(st.integers(0, 200)))
def test_sse_decodes_any_bytes_in_any_split_equally(wire: bytes, cuts: list[int]) -> None:
    """The result is the same for any bytes and any portions, empty ones included."""
    edges = [0, *sorted(min(cut, len(wire)) for cut in cuts), len(wire)]

    assert decode(wire) == decode(*(wire[a:b] for a, b in pairwise(edges)))


@pytest.mark.parametrize("wire", [b"data: " + b"x" * 100, b"data: xxxxxxxx\n" * 10], ids=["line", "event"])
def test_sse_rejects_an_endless_event(wire: bytes) -> None:
    """The decoder bounds one line and one event."""
    decoder = SseDecoder(max_event_bytes=64)

    with pytest.raises(EventTooLarge):
        decoder.events(wire)
