"""Decodes server-sent events (WHATWG HTML §9.2): bytes in, events or their data out. Pure: no IO, no meaning.

Workers read providers with it, and the client package reads the gateway. httpx-sse was rejected for the client: its
decoder takes lines that httpx has split, so the length of a line and of an event has no bound.
"""

from typing import Final, NamedTuple

EVENT_BYTES_MAX: Final = 8 * 1024 * 1024
_LF, _CR = b"\n\r"
"""As numbers: to search for one takes a tenth of the time of `bytes in bytes`."""
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_AROUND = _BYTE_ORDER_MARK + b" \t\n"
_JSON = frozenset((b"{", b"["))


class EventTooLarge(ValueError):  # noqa: N818 - named for the event, as the field's other limits are
    """An event exceeded the decoder's limit."""


class ServerSentEvent(NamedTuple):
    """`id` is the last id received, also if an earlier event carried it."""

    event: str
    data: str
    id: str


class SseDecoder:
    """Accepts pieces of any size, cut anywhere; keeps at most one unfinished event.

    An instance is read by `payloads` or by `events`. Only CR, LF and CRLF end a line, never U+2028.
    """

    __slots__ = ("_after_cr", "_id", "_is_first", "_max_event_bytes", "_rest", "_rest_bytes")

    def __init__(self, max_event_bytes: int = EVENT_BYTES_MAX) -> None:
        self._max_event_bytes = max_event_bytes
        self._rest: list[bytes] = []
        """The pieces of the unfinished event; none is empty."""
        self._rest_bytes = 0
        self._after_cr = False
        self._is_first = True
        self._id = ""

    @property
    def unfinished(self) -> bool:
        """True while the decoder keeps a part of an event, or of a line end."""
        return bool(self._rest) or self._after_cr

    def payloads(self, data: bytes) -> list[bytes]:
        """The data of the events that `data` completes. Raises `EventTooLarge`.

        Made for providers: names, ids and comments are skipped, as every provider repeats the event's type in its
        data. JSON without `data:` is a payload too: a whole answer instead of a stream, or an error of a proxy.
        """
        if self._after_cr or _CR in data:
            data = self._with_lf(data)
        if self._rest and not (data := self._joined(data)):
            return []
        only = data[6:-2]
        if data[:6] == b"data: " and data[-2:] == b"\n\n" and _LF not in only:
            # One whole event of one line: nearly all that providers send.
            return [only]
        payloads = []
        for event in self._split(data):
            # The common case first: one data line and nothing else.
            if event[:6] == b"data: " and _LF not in event:
                payloads.append(event[6:])
            elif (payload := _payload(event)) is not None:
                payloads.append(payload)
        return payloads

    def end(self) -> list[bytes]:
        """The data of an event without its blank line at the end of the body; it may be cut."""
        rest = b"".join(self._rest).rstrip(b"\n")
        self._rest.clear()
        return [] if not rest or (payload := _payload(rest)) is None else [payload]

    def events(self, data: bytes) -> list[ServerSentEvent]:
        """The events that `data` completes, by the letter of the standard. Raises `EventTooLarge`.

        An event without its blank line at the end of the body is dropped.
        """
        if self._after_cr or _CR in data:
            data = self._with_lf(data)
        if self._rest and not (data := self._joined(data)):
            return []
        events = []
        for lines in self._split(data):
            self._check(len(lines))
            if (event := self._event(lines)) is not None:
                events.append(event)
        return events

    def _joined(self, data: bytes) -> bytes:
        """The unfinished event and `data`, if `data` completes it; else `data` is kept, and nothing is returned."""
        rest = self._rest
        if b"\n\n" in data or (data[:1] == b"\n" and rest[-1][-1:] == b"\n"):
            rest.append(data)
            data = b"".join(rest)
            rest.clear()
            return data
        if data:
            # Not joined for each piece: a large event arrives in many.
            rest.append(data)
            self._rest_bytes += len(data)
            self._check(self._rest_bytes)
        return b""

    def _split(self, data: bytes) -> list[bytes]:
        """The lines of each whole event in `data`; the rest is kept."""
        *events, last = data.split(b"\n\n")
        if last:
            self._rest.append(last)
            self._rest_bytes = len(last)
            self._check(self._rest_bytes)
        return events

    def _with_lf(self, data: bytes) -> bytes:
        """Replace CR and CRLF by LF. A CRLF may be cut in two: the LF after a CR is dropped."""
        if self._after_cr and data:
            data = data.removeprefix(b"\n")
            self._after_cr = False
        if data[-1:] == b"\r":
            self._after_cr = True
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _event(self, lines: bytes) -> ServerSentEvent | None:
        if self._is_first:
            lines = lines.removeprefix(_BYTE_ORDER_MARK)
            self._is_first = False
        name, data = "", []
        for line in lines.split(b"\n"):
            field, _, raw = line.partition(b":")
            value = raw.removeprefix(b" ").decode("utf-8", "replace")
            if field == b"data":
                data.append(value)
            elif field == b"event":
                name = value
            elif field == b"id" and "\0" not in value:
                self._id = value
            # A comment has an empty field name. `retry` is ignored: the client does not reconnect by itself.
        return ServerSentEvent(name or "message", "\n".join(data), self._id) if data else None

    def _check(self, size: int) -> None:
        if size > self._max_event_bytes:
            raise EventTooLarge(f"an event of more than {self._max_event_bytes} bytes")


def _payload(event: bytes) -> bytes | None:
    if event[:6] != b"event:":
        json = event.lstrip(_AROUND)
        if json[:1] in _JSON:
            return json
        # In front of the stream, or of a part of it that a proxy has inserted.
        event = event.removeprefix(_BYTE_ORDER_MARK)
    lines = [line[6:] if line[5:6] == b" " else line[5:] for line in event.split(b"\n") if line[:5] == b"data:"]
    return b"\n".join(lines) if lines else None
