"""A whole message as the events of its stream: some servers return one although a stream was requested. Pure."""

from typing import Any

from penstock_worker.providers.answer import lenient

Json = dict[str, Any]


def events_of(message: Json) -> list[Json]:
    """The events, in Anthropic's form; fields without an event stay where they are."""
    content = message.get("content")
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else lenient.objects(content)
    ends = {name: message[name] for name in ("stop_reason", "stop_sequence", "stop_details") if name in message}
    unknown: Json = dict.fromkeys(ends)
    started: Json = {**message, "content": [], **unknown}
    events: list[Json] = [{"type": "message_start", "message": started}]
    for index, block in enumerate(blocks):
        start, deltas = _parts(block)
        events.append({"type": "content_block_start", "index": index, "content_block": start})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    usage = {"usage": message["usage"]} if isinstance(message.get("usage"), dict) else {}
    delta = {"stop_reason": "end_turn", "stop_sequence": None, **{k: v for k, v in ends.items() if v is not None}}
    return [*events, {"type": "message_delta", "delta": delta, **usage}, {"type": "message_stop"}]


def _parts(block: Json) -> tuple[Json, list[Json]]:
    """A block's start, and its content as deltas."""
    match block.get("type"):
        case "text":
            return {**block, "text": ""}, [{"type": "text_delta", "text": lenient.text(block.get("text"))}]
        case "thinking":
            thinking, signature = lenient.text(block.get("thinking")), lenient.text(block.get("signature"))
            deltas = [{"type": "thinking_delta", "thinking": thinking}]
            if signature:
                deltas.append({"type": "signature_delta", "signature": signature})
            return {**block, "thinking": "", "signature": ""}, deltas
        case "tool_use" | "server_tool_use" | "mcp_tool_use":
            arguments = lenient.encoded(block.get("input") or {})
            return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": arguments}]
        case _:
            return block, []
