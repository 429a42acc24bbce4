"""Feeds a provider's stream to a parser, whole or in pieces."""

from collections.abc import Callable, Iterator, Sequence

from penstock_contract.error_codes import ErrorCode
from penstock_contract.errors import PenstockError
from penstock_contract.stream.events import Event
from penstock_worker.providers.adapter import ResponseParser

Parsed = tuple[list[Event], ErrorCode | None]
"""The events, and the code of the error that ended them."""


def parse(parser: ResponseParser, *pieces: bytes) -> Parsed:
    events: list[Event] = []
    try:
        for piece in pieces:
            events += parser.feed(piece)
        events += parser.end()
    except PenstockError as error:
        return events, error.code
    return events, None


def cuts(stream: bytes) -> Iterator[Sequence[bytes]]:
    """The stream in two pieces, cut at every offset, and byte by byte."""
    for place in range(len(stream) + 1):
        yield stream[:place], stream[place:]
    yield [stream[place : place + 1] for place in range(len(stream))]


def assert_parsed_however_cut(make: Callable[[], ResponseParser], stream: bytes, heard: Parsed) -> None:
    """Every cut gives the same result. Before an error, events of the same read may be missing: it raises."""
    events, code = heard
    for pieces in cuts(stream):
        found, found_code = parse(make(), *pieces)
        assert found_code == code
        if code is None:
            assert found == events
        else:
            assert found == events[: len(found)]
