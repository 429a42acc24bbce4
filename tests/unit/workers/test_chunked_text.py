"""A chunk with one piece of text bypasses the HTTP parser: the events are the same for all splits of the same bytes."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock_contract.errors import PenstockError
from penstock_contract.stream.events import Event, ReasoningDelta, TextDelta
from penstock_worker.providers.openai.parser import ChatParser
from penstock_worker.upstream.connection import UpstreamConnection

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


class Owner:
    def release(self, connection: UpstreamConnection) -> None: ...

    def remove(self, connection: UpstreamConnection) -> None: ...

    def close_idle(self) -> None: ...


class Transport:
    def get_extra_info(self, name: str) -> None: ...

    def write(self, data: bytes) -> None: ...

    def is_closing(self) -> bool:
        return False

    def abort(self) -> None: ...

    def close(self) -> None: ...


class Listener:
    def __init__(self) -> None:
        self.events: list[Event] = []
        self.end: str | None = None

    def on_events(self, events: Sequence[Event]) -> None:
        assert self.end is None
        self.events += events

    def on_end(self) -> None:
        self.end = "whole"

    def on_failure(self, error: PenstockError, *, refused: bool = False) -> None:
        del refused
        self.end = error.code


class CountingParser(ChatParser):
    """`bypassed` chunks were read without the HTTP parser."""

    def __init__(self) -> None:
        super().__init__()
        self.bypassed = 0

    def piece_of_chunk(self, data: bytes) -> Event | None:
        event = super().piece_of_chunk(data)
        self.bypassed += event is not None
        return event


def read(parts: Sequence[bytes]) -> tuple[Listener, CountingParser, UpstreamConnection]:
    connection, listener, parser = UpstreamConnection(Owner()), Listener(), CountingParser()
    connection.connection_made(Transport())  # type: ignore[arg-type]
    connection.start(b"", parser, listener, reused=False)
    for part in parts:
        if listener.end is None:
            connection.data_received(part)
    return listener, parser, connection


def event(delta: dict[str, Any], **fields: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": fields.pop("finish_reason", None)}
    body = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **fields}
    return b"data: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n"


def chunk(content: bytes, size: bytes | None = None) -> bytes:
    return (b"%x" % len(content) if size is None else size) + b"\r\n" + content + b"\r\n"


def text(value: str) -> bytes:
    return event({"content": value})


LAST = event({}, finish_reason="stop") + b"data: [DONE]\n\n"
WORDS = st.text(min_size=1, max_size=6) | st.sampled_from(['"', "\\", "\n", "é", "\U0001f600", '"}]}', "\r\n"])
CONTENTS = st.one_of(
    WORDS.map(text),
    WORDS.map(text),
    WORDS.map(lambda word: event({"reasoning_content": word})),
    WORDS.map(lambda word: event({"content": word}, service_tier="default")),
    WORDS.map(lambda word: event({"content": word}, obfuscation="abc")),
    st.lists(WORDS.map(text), min_size=2, max_size=3).map(b"".join),
    st.sampled_from([b": ping\n\n", b":", b"\n", text("").replace(b"\n", b"\r\n"), event({"content": None})]),
)


@given(st.lists(CONTENTS, max_size=12), st.data())
async def test_upstream_connection_reads_the_same_events_in_every_split(
    contents: list[bytes], data: st.DataObject
) -> None:
    wire = HEAD + b"".join(map(chunk, [*contents, LAST])) + END
    cuts = sorted(data.draw(st.sets(st.integers(1, len(wire) - 1), max_size=12)))
    parts = [wire[start:end] for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    in_chunks, _, _ = read([HEAD, *map(chunk, [*contents, LAST]), END])
    in_parts, _, _ = read(parts)
    in_one, _, _ = read([wire])
    parser = ChatParser()
    try:
        expected: list[Event] | None = [*parser.feed(b"".join([*contents, LAST])), *parser.end()]
    except PenstockError:
        expected = None

    assert in_chunks.end == in_parts.end == in_one.end
    assert in_chunks.events == in_parts.events == in_one.events
    if expected is not None:
        assert in_one.events == expected
        assert in_one.end == "whole"


async def test_upstream_connection_bypasses_the_http_parser_for_the_text_of_a_stream() -> None:
    words = ["one", " two", ' "three"', "\n", " é", " \U0001f600"]
    listener, parser, _ = read([HEAD, *(chunk(text(word)) for word in words), chunk(LAST), END])

    assert [event.text for event in listener.events if isinstance(event, TextDelta)] == words
    assert parser.bypassed == len(words) - 1
    assert listener.end == "whole"


async def test_upstream_connection_bypasses_the_http_parser_for_reasoning() -> None:
    pieces = [event({"reasoning_content": word}) for word in ("a", "b", "c")]
    listener, parser, _ = read([HEAD, *map(chunk, pieces)])

    assert listener.events == [ReasoningDelta("a"), ReasoningDelta("b"), ReasoningDelta("c")]
    assert parser.bypassed == 2


@pytest.mark.parametrize(
    "unusual",
    [
        chunk(text("x" * 11), b"%X" % len(text("x" * 11))),
        chunk(text("x"), b"0%x" % len(text("x"))),
        chunk(text("x"), b"%x;a=b" % len(text("x"))),
        chunk(text("x") + text("")),
        chunk(text("x")) + b"1",
    ],
)
async def test_upstream_connection_leaves_other_forms_of_a_chunk_to_the_http_parser(unusual: bytes) -> None:
    listener, parser, _ = read([HEAD, chunk(text("a")), chunk(text("b")), unusual])

    assert parser.bypassed == 1
    assert listener.end is None
    assert len(listener.events) == 3


@pytest.mark.parametrize("size", [b"1", b"-1", b"1_0", b"+5", b"0x10"])
async def test_upstream_connection_reads_no_text_from_a_chunk_of_a_wrong_size(size: bytes) -> None:
    listener, parser, _ = read([HEAD, chunk(text("a")), chunk(text("b")), chunk(text("c"), size)])

    assert parser.bypassed == 1
    assert TextDelta("c") not in listener.events


async def test_upstream_connection_joins_an_event_of_two_chunks_before_it_bypasses_the_next() -> None:
    half = text("b")[:20]
    listener, parser, _ = read([HEAD, chunk(text("a")), chunk(half), chunk(text("b")[20:]), chunk(text("c"))])

    assert listener.events == [TextDelta("a"), TextDelta("b"), TextDelta("c")]
    assert parser.bypassed == 1


async def test_upstream_connection_bypasses_nothing_behind_an_unfinished_event() -> None:
    _, parser, _ = read([HEAD, chunk(text("a")), chunk(text("b")), chunk(b"data"), chunk(text("c"))])

    assert parser.bypassed == 1


async def test_upstream_connection_reads_a_text_after_an_unfinished_chunk_header() -> None:
    whole = chunk(text("c"))
    listener, _, _ = read([HEAD, chunk(text("a")) + whole[:1], whole[1:], chunk(text("d"))])

    assert listener.events == [TextDelta("a"), TextDelta("c"), TextDelta("d")]


async def test_upstream_connection_counts_bypassed_text_as_progress() -> None:
    _, _, connection = read([HEAD, chunk(text("a"))])
    connection.active_at = 0.0
    connection.data_received(chunk(text("b")))

    assert connection.active_at > 0.0
