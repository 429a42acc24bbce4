"""Renders a stream of Anthropic's Messages API: `event:` and `data:` of each event; it has no `[DONE]`. Pure."""

from penstock_contract.stream.events import Event, NativeEvent, TextDelta
from penstock_gateway.streaming.renderers.anthropic.message_events import MessageEvents
from penstock_gateway.streaming.renderers.renderer import encode_json

PING = b'event: ping\ndata: {"type":"ping"}\n\n'
REWRITTEN = frozenset(("message_start", "message_delta"))
"""Events of a provider of the same API that are not passed byte for byte."""


class MessageStreamRenderer:
    """Pieces of text are assembled from bytes that are encoded once per block."""

    __slots__ = ("_events", "_head", "_index", "_stop")

    ping = PING

    def __init__(self, events: MessageEvents) -> None:
        self._events = events
        self._index = -1
        self._head = b""
        self._stop = b""

    def render(self, event: Event) -> bytes:
        if type(event) is TextDelta and self._index >= 0:
            return self._head + encode_json(event.text) + b"}}\n\n"
        return self._render_other(event)

    def around_text(self) -> tuple[bytes, bytes] | None:
        return (self._head, b"}}\n\n") if self._index >= 0 else None

    def _render_other(self, event: Event) -> bytes:
        if type(event) is NativeEvent and event.name not in REWRITTEN:
            self._events.note(event)
            data = b"event: %b\ndata: %b\n\n" % (event.name.encode(), event.data)
        else:
            data = b"".join(
                b"event: %b\ndata: %b\n\n" % (one["type"].encode(), encode_json(one)) for one in self._events.of(event)
            )
        if self._events.text_index != self._index:
            self._index = self._events.text_index
            self._head = (
                b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,'
                b'"delta":{"type":"text_delta","text":' % max(0, self._index)
            )
        return data
