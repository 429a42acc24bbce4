"""Chunks of the OpenAI dialect, and the events that a parser makes of them."""

import json
from typing import Any

from unit.support.parsing import assert_parsed_however_cut, parse

from penstock_contract.stream.events import Event, Finished, TextDelta, ToolCallDelta
from penstock_worker.providers.openai.parser import ChatParser

DONE = b"data: [DONE]\n\n"
HI = TextDelta("Hi")
STOPPED = Finished("stop")


def data(value: object) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def chunk(delta: object, finish: object = None, **choice: Any) -> bytes:
    return data(
        {
            "id": "c1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "m",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish, **choice}],
        }
    )


def usage(**fields: Any) -> bytes:
    return data({"choices": [], "usage": fields})


TEXT = chunk({"content": "Hi"})
STOP = chunk({}, "stop")
END = STOP + DONE


def with_ids(events: list[Event]) -> list[Event]:
    """Made ids are written `call_` in the table."""
    return [
        ToolCallDelta(event.index, "call_", event.name, event.arguments, event.fields)
        if isinstance(event, ToolCallDelta) and event.id is not None and event.id.startswith("call_")
        else event
        for event in events
    ]


def assert_events(stream: bytes, events: list[Event]) -> None:
    """The parser maps the stream to these events, whole or cut anywhere."""
    found, code = parse(ChatParser(), stream)

    assert (with_ids(found), code) == (events, None)
    assert_parsed_however_cut(ChatParser, stream, (found, None))
