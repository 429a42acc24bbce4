"""Random sequences of events: the stream of a response keeps the order and the numbers of the Responses API."""

import random
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from harness.response_events import events_of

from penstock_contract.openai_responses.request import ReasoningSettings, ResponseRequest
from penstock_contract.openai_responses.response import ResponseObject, begun
from penstock_contract.stream.events import (
    AnswerFields,
    Event,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    UsageReported,
)
from penstock_gateway.streaming.renderers.responses.collector import ResponseCollector
from penstock_gateway.streaming.renderers.responses.stream import ResponseStreamRenderer

SEEDS = range(200)


def random_events(dice: random.Random) -> Iterator[Event]:
    calls = 0
    for _ in range(dice.randrange(30)):
        match dice.randrange(7):
            case 0 | 1 | 2:
                yield TextDelta(dice.choice(["a", "", "\n\n", "é"]))
            case 3:
                yield ReasoningDelta("r")
            case 4:
                yield RefusalDelta("n")
            case 5:
                yield AnswerFields(
                    "delta", b'{"annotations":[{"type":"url_citation","url":"u"}],"reasoning_details":[{}]}'
                )
            case _ if calls and dice.random() < 0.5:
                yield ToolCallDelta(dice.randrange(calls), None, None, dice.choice(['"x"', "}", "", '{"a":']))
            case _:
                yield ToolCallDelta(calls, f"call_{calls}", "f", dice.choice(["", "{", "{}", '{"a":']))
                calls += 1
    if dice.random() < 0.8:
        yield UsageReported(1, 1)
    yield Finished(dice.choice(["stop", "length", "tool_calls", "content_filter"]))


def response_of(dice: random.Random) -> ResponseObject:
    reasoning = ReasoningSettings(summary=dice.choice(["auto", None]))
    return begun("resp_1", 1, ResponseRequest(model="gpt", reasoning=reasoning), store=False)


def rebuilt(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The output as a client puts it together, which fails at an event out of its place."""
    items: dict[int, dict[str, Any]] = {}
    ended: set[int] = set()
    texts: dict[tuple[Any, ...], str] = {}
    for event in events:
        kind, at = event["type"].removeprefix("response."), event.get("output_index")
        if at is None:
            continue
        assert at not in ended
        if kind == "output_item.added":
            assert at == len(items)
            items[at] = event["item"]
            continue
        place = (at, event.get("content_index", event.get("summary_index")))
        if kind == "output_item.done":
            assert event["item"]["id"] == items[at]["id"]
            assert not [key for key in texts if key[0] == at and key[1] is not None]
            items[at] = event["item"]
            ended.add(at)
            continue
        assert event["item_id"] == items[at]["id"]
        if kind.endswith("part.added"):
            assert place not in texts
            texts[place] = ""
        elif kind.endswith(".delta"):
            texts[place] = (texts.setdefault(place, "") if kind.startswith("function") else texts[place]) + event[
                "delta"
            ]
        elif kind.endswith("part.done"):
            [text] = [value for key, value in event["part"].items() if key in {"text", "refusal"}]
            assert text == texts.pop(place)
        elif kind.endswith(".done"):
            [text] = [value for key, value in event.items() if key in {"text", "refusal", "arguments"}]
            assert text == texts.get(place, "")
    assert ended == set(items)
    return [items[at] for at in sorted(items)]


@pytest.mark.parametrize("seed", SEEDS)
def test_response_stream_is_ordered_and_without_gaps(seed: int) -> None:
    dice = random.Random(seed)
    begins = response_of(dice)
    given = list(random_events(dice))
    stream, whole = ResponseStreamRenderer(begins, encrypted=True), ResponseCollector(begins, encrypted=True)

    events = events_of(b"".join(map(stream.render, given)).decode())
    for event in given:
        whole.render(event)

    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    last = events[-1]
    assert last["type"] in {"response.completed", "response.incomplete"}
    assert rebuilt(events) == last["response"]["output"]
    assert msgspec.to_builtins(whole.response(None)) == last["response"]
    said = "".join(event.text for event in given if type(event) is TextDelta)
    parts = [part for item in last["response"]["output"] if item["type"] == "message" for part in item["content"]]
    assert "".join(part["text"] for part in parts if part["type"] == "output_text") == said
