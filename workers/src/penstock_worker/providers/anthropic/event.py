"""One event of the Anthropic dialect as a Struct, read strictly and fast, or leniently from any JSON."""

from typing import Any

import msgspec
from msgspec import Struct

from penstock_worker.providers.answer import lenient


class EventDelta(Struct, gc=False):
    type: str | None = None
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    signature: str | None = None
    stop_reason: str | None = None
    citation: dict[str, Any] | None = None


class StreamEvent(Struct, gc=False):
    """Blocks, messages and usage are rare, and kept as received."""

    type: str
    index: int = 0
    message: dict[str, Any] | None = None
    delta: EventDelta | None = None
    content_block: dict[str, Any] | None = None
    usage: dict[str, Any] | None = None
    error: Any = None


decode_strictly = msgspec.json.Decoder(StreamEvent).decode


def read(event: dict[str, Any]) -> StreamEvent:
    """An event of any shape; a missing type is derived from the fields."""
    delta = lenient.mapping(event.get("delta"))
    kind = lenient.text(event.get("type"))
    if not kind:
        kind = "content_block_delta" if delta else "content_block_start" if "content_block" in event else ""
    return StreamEvent(
        type=kind,
        index=lenient.count(event.get("index")) or 0,
        message=lenient.mapping(event.get("message")) or None,
        delta=EventDelta(
            type=lenient.text(delta.get("type")),
            text=lenient.text(delta.get("text")),
            partial_json=lenient.json_text(delta.get("partial_json")),
            thinking=lenient.text(delta.get("thinking")),
            signature=lenient.text(delta.get("signature")),
            stop_reason=lenient.text(delta.get("stop_reason")),
            citation=lenient.mapping(delta.get("citation")) or None,
        ),
        content_block=lenient.mapping(event.get("content_block")) or None,
        usage=lenient.mapping(event.get("usage")) or None,
        error=event.get("error"),
    )


def parts(message: dict[str, Any]) -> list[StreamEvent]:
    """The stream events equal to a whole message, which some servers return although a stream was requested."""
    events = [StreamEvent("message_start", message={"usage": message.get("usage")})]
    content = message.get("content")
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else lenient.objects(content)
    for index, block in enumerate(blocks):
        events.append(StreamEvent("content_block_start", index, content_block=block))
        events += [
            StreamEvent("content_block_delta", index, delta=EventDelta(citation=citation))
            for citation in lenient.objects(block.get("citations"))
        ]
        events.append(StreamEvent("content_block_stop", index))
    stopped = EventDelta(stop_reason=lenient.text(message.get("stop_reason")) or "end_turn")
    return [*events, StreamEvent("message_delta", delta=stopped), StreamEvent("message_stop")]
