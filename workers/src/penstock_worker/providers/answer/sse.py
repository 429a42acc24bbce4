"""Server-sent events, as providers send them: bytes in, `data` payloads out (WHATWG HTML §9.2).

Knows nothing of what the payloads mean. Event names, ids and comments are skipped: every provider repeats the
event's type in its data. JSON that stands without `data:` is a payload, too: a whole answer where a stream was asked
for, or an error that a proxy wrote between the events.
"""

EVENT_BYTES_MAX = 8 * 1024 * 1024
_LF, _CR = b"\n\r"
"""Numbers: to look for one takes a tenth of the time of `bytes in bytes`."""
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""In front of the stream, or of a part of it that came from elsewhere."""
_AROUND = _BYTE_ORDER_MARK + b" \t\n"
_JSON = frozenset((b"{", b"["))


class EventTooLarge(Exception):  # noqa: N818
    """An event grew past `EVENT_BYTES_MAX` without an end."""


class SseDecoder:
    """Fed in pieces of any size; keeps at most one unfinished event."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads of the events that `data` completes."""
        if self._rest:
            data = self._rest + data
        if _CR in data:
            return self._feed_crlf(data)
        only = data[6:-2]
        if data[:6] == b"data: " and data[-2:] == b"\n\n" and _LF not in only:
            # One whole event of one line: nearly all that providers send.
            self._rest = b""
            return [only]
        *events, self._rest = data.split(b"\n\n")
        if len(self._rest) > EVENT_BYTES_MAX:
            raise EventTooLarge
        payloads = []
        for event in events:
            # The common case first: one data line and nothing else.
            if event[:6] == b"data: " and _LF not in event:
                payloads.append(event[6:])
            elif (payload := _payload(event)) is not None:
                payloads.append(payload)
        return payloads

    def end(self) -> list[bytes]:
        """The payload of an event whose blank line is missing at the end of the body; it may be cut."""
        rest, self._rest = self._rest.rstrip(b"\r\n"), b""
        return [] if not rest or (payload := _payload(rest)) is None else [payload]

    def _feed_crlf(self, data: bytes) -> list[bytes]:
        # A CR at the very end may be the first half of a CRLF, which must not become two line ends.
        held = b"\r" if data.endswith(b"\r") else b""
        body = data[: len(data) - len(held)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        self._rest = b""
        payloads = self.feed(body)
        self._rest += held
        return payloads


def _payload(event: bytes) -> bytes | None:
    if event[:6] != b"event:":
        json = event.lstrip(_AROUND)
        if json[:1] in _JSON:
            return json
        event = event.removeprefix(_BYTE_ORDER_MARK)
    lines = [line[6:] if line[5:6] == b" " else line[5:] for line in event.split(b"\n") if line[:5] == b"data:"]
    return b"\n".join(lines) if lines else None
