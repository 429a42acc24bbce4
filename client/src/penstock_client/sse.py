"""Bytes to server-sent events, by the rules of WHATWG HTML §9.2; no IO, no JSON, no idea of what an event means.

Bytes may be cut anywhere: inside a line, inside a character, between CR and LF. Only CR and LF end a line, never
U+2028, which `str.splitlines` would also take.
"""

import re
from typing import NamedTuple

MAX_EVENT_BYTES = 16 * 1024 * 1024
"""The longest line, and the most data in one event; a peer that sends more is not talking to us."""

_LINE_END = re.compile(rb"\r\n|\r|\n")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class EventTooLarge(ValueError):  # noqa: N818
    """An event grew past the decoder's bound."""


class ServerSentEvent(NamedTuple):
    """`id` is the last one seen, also when an earlier event carried it."""

    event: str
    data: str
    id: str


class SSEDecoder:
    """Feed bytes in any portions, take whole events; an event without its blank line at the end is dropped."""

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_event_bytes = max_event_bytes
        self._rest = b""
        self._after_cr = False
        self._first_line = True
        self._event = ""
        self._data: list[str] = []
        self._data_bytes = 0
        self._id = ""

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        """Return the events that `data` completes; raises `EventTooLarge`."""
        if self._after_cr and data:
            data = data.removeprefix(b"\n")
            self._after_cr = False
        if not data:
            return []
        self._after_cr = data.endswith(b"\r")
        *lines, self._rest = _LINE_END.split(self._rest + data)
        self._check(len(self._rest))
        return [event for line in lines if (event := self._line(line)) is not None]

    def _line(self, line: bytes) -> ServerSentEvent | None:
        if self._first_line:
            line = line.removeprefix(_BYTE_ORDER_MARK)
            self._first_line = False
        if not line:
            return self._dispatch()
        name, _, raw = line.partition(b":")
        value = raw.removeprefix(b" ").decode("utf-8", "replace")
        if name == b"data":
            self._data_bytes += len(line)
            self._check(self._data_bytes)
            self._data.append(value)
        elif name == b"event":
            self._event = value
        elif name == b"id" and "\0" not in value:
            self._id = value
        # A comment has an empty name; `retry` and unknown fields are no business of a client that does not reconnect.
        return None

    def _dispatch(self) -> ServerSentEvent | None:
        event = ServerSentEvent(self._event or "message", "\n".join(self._data), self._id) if self._data else None
        self._event, self._data, self._data_bytes = "", [], 0
        return event

    def _check(self, size: int) -> None:
        if size > self._max_event_bytes:
            raise EventTooLarge(f"an event of more than {self._max_event_bytes} bytes")
