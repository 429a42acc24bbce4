"""Blocks that a client of Anthropic's API gets from pieces in any order: each block whole, one after the other."""

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from penstock_contract.stream.events import Event, Finished, ReasoningDelta, TextDelta, ToolCallDelta
from penstock_gateway.streaming.renderers.anthropic.message_events import MessageEvents
from penstock_gateway.streaming.renderers.anthropic.stream import MessageStreamRenderer


def objects(events: Sequence[Event]) -> list[Any]:
    renderer = MessageStreamRenderer(MessageEvents("req_1", "fast"))
    data = b"".join(map(renderer.render, [*events, Finished("stop")]))
    return [json.loads(event.partition(b"\ndata: ")[2]) for event in data.split(b"\n\n") if event]


def read(events: Sequence[Event]) -> list[dict[str, Any]]:
    """The blocks as Anthropic's SDK joins them; asserts that they are dense, sequential and closed."""
    blocks: list[dict[str, Any]] = []
    open_: set[int] = set()
    for event in objects(events):
        match event["type"]:
            case "content_block_start":
                assert event["index"] == len(blocks)
                assert not open_, "two blocks are open at once"
                open_.add(event["index"])
                blocks.append({**event["content_block"], "json": ""})
            case "content_block_delta":
                assert event["index"] in open_
                found, change = blocks[event["index"]], event["delta"]
                found["text"] = found.get("text", "") + change.get("text", "")
                found["thinking"] = found.get("thinking", "") + change.get("thinking", "")
                found["json"] += change.get("partial_json", "")
            case "content_block_stop":
                open_.remove(event["index"])
    assert not open_
    return blocks


ARGUMENTS = [['{"a"', ":1}"], ["{", '"b":"', 'x"}'], ["{}"]]


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """Texts, thoughts and three calls whose pieces may be mixed in any way, each in its own order."""
    queues: list[list[Event]] = [
        [ToolCallDelta(index, f"c{index}", f"f{index}", "")] + [ToolCallDelta(index, None, None, one) for one in pieces]
        for index, pieces in enumerate(ARGUMENTS)
    ]
    queues.append([TextDelta(one) for one in draw(st.lists(st.text(min_size=1), max_size=5))])
    queues.append([ReasoningDelta(one) for one in draw(st.lists(st.text(min_size=1), max_size=3))])
    events: list[Event] = []
    while any(queues):
        queue = draw(st.sampled_from([one for one in queues if one]))
        events.append(queue.pop(0))
    return events


@given(answers())
def test_message_stream_has_every_piece_in_order_however_they_are_mixed(events: Sequence[Event]) -> None:
    blocks = read(events)

    texts = "".join(event.text for event in events if isinstance(event, TextDelta))
    thoughts = "".join(event.text for event in events if isinstance(event, ReasoningDelta))
    assert "".join(one.get("text", "") for one in blocks) == texts
    assert "".join(one.get("thinking", "") for one in blocks) == thoughts
    calls = {one["id"]: one["json"] for one in blocks if one["type"] == "tool_use"}
    assert calls == {f"c{index}": "".join(pieces) for index, pieces in enumerate(ARGUMENTS)}
