"""20 000 mutated answers per adapter: what a client receives is what was sent, or an explicit error.

The seeds in `answers/` have the shapes of real servers. Each mutated answer goes through the parser, the stream's
grammar and the renderer, and is read as OpenAI's SDK reads it. Measured: 15 s per adapter on a core that others use.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openai.types import CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from unit.support.mutations import Mutation
from unit.support.parsing import parse

from penstock_contract import codec
from penstock_contract.stream.events import Accepted, Event, Finished, Started
from penstock_contract.stream.frames import Batch, Frame
from penstock_contract.stream.state import StreamState
from penstock_gateway.streaming.renderers.chat_collector import ChatCollector
from penstock_gateway.streaming.renderers.chat_stream import ChatStreamRenderer
from penstock_gateway.streaming.renderers.embeddings_collector import EmbeddingsCollector
from penstock_worker.providers.adapter import ResponseParser
from penstock_worker.providers.anthropic.parser import MessageParser
from penstock_worker.providers.openai.embeddings_parser import EmbeddingsParser
from penstock_worker.providers.openai.parser import ChatParser

MUTATIONS = 20_000
SEEDS = Path(__file__).parent / "answers"
SDK_READS_EACH = 40
Answer = dict[str, Any]


def chunks_of(events: list[Event]) -> list[Answer]:
    """The events of a streaming client: JSON of every `data` line but `[DONE]`."""
    renderer = ChatStreamRenderer("chatcmpl-1", 1, "gpt", include_usage=True)
    stream = b"".join(renderer.render(event) for event in events)
    return [json.loads(line[6:]) for line in stream.split(b"\n\n") if line and line != b"data: [DONE]"]


def received(chunks: list[Answer]) -> Answer:
    """The answer as a client joins it; a call without id, name, a dense index or JSON is no call."""
    text = reasoning = ""
    calls: list[Answer] = []
    finish = None
    for chunk in chunks:
        for choice in chunk["choices"]:
            delta = choice["delta"]
            text += delta.get("content") or ""
            reasoning += delta.get("reasoning_content") or ""
            for call in delta.get("tool_calls", ()):
                if call["index"] == len(calls):
                    assert isinstance(call["id"], str)
                    assert call["type"] == "function"
                    calls.append({"id": call["id"], "name": "", "arguments": ""})
                calls[call["index"]]["name"] += call["function"].get("name", "")
                calls[call["index"]]["arguments"] += call["function"]["arguments"]
            finish = choice["finish_reason"] or finish
    return {"text": text, "reasoning": reasoning, "calls": calls, "finish": finish}


def without_tier(answer: Answer) -> Answer:
    """The SDK lists the tiers of OpenAI; those of other providers pass, as the SDK does not validate answers itself."""
    return {name: value for name, value in answer.items() if name != "service_tier"}


def assert_grammatical(events: list[Event]) -> None:
    state = StreamState()
    for seq, event in enumerate([Accepted("w", 0.0), Started("p"), *events]):
        state.accept(seq, event)
    codec.decode_batch(codec.encode(Batch("w", [Frame(1, 1, seq, event) for seq, event in enumerate(events)])))


def assert_the_sdk_reads(events: list[Event], chunks: list[Answer]) -> None:
    for chunk in chunks:
        ChatCompletionChunk.model_validate(without_tier(chunk))
    collector = ChatCollector("chatcmpl-1", 1, "gpt")
    for event in events:
        collector.render(event)
    whole = json.loads(codec.encode_json(collector.completion()))
    ChatCompletion.model_validate(without_tier(whole))
    assert (whole["choices"][0]["message"]["content"] or "") == received(chunks)["text"]


class Seed:
    def __init__(self, path: Path, make: Callable[[], ResponseParser]) -> None:
        stream = path.read_bytes()
        self.named, self.done = b"event: " in stream, b"[DONE]" in stream
        payloads = [line[6:] for line in stream.split(b"\n") if line.startswith(b"data: {")]
        self.events: list[Answer] = [json.loads(payload) for payload in payloads]
        events, code = parse(make(), stream)
        assert code is None
        self.sent = received(chunks_of(events))


def seeds(dialect: str) -> list[Seed]:
    make = MessageParser if dialect == "Anthropic" else ChatParser
    paths = sorted(
        path for path in SEEDS.glob("*.sse") if path.name.startswith("anthropic") == (dialect == "Anthropic")
    )
    return [Seed(path, make) for path in paths]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("dialect", "make"), [("OpenAI", ChatParser), ("Anthropic", MessageParser)])
def test_adapter_passes_a_mutated_answer_unchanged_or_as_an_error(
    dialect: str, make: Callable[[], ResponseParser]
) -> None:
    known = seeds(dialect)
    for number in range(MUTATIONS):
        mutation = Mutation(number)
        seed = known[number % len(known)]
        respelled = not mutation.chance(0.3)
        events = mutation.respelled(seed.events) if respelled else mutation.damaged(seed.events)
        stream = mutation.written(events, named=seed.named, done=seed.done)
        cut = respelled and mutation.chance(0.15)
        if cut:
            stream = mutation.cut(stream)
        elif not respelled and mutation.chance(0.2):
            stream = mutation.flipped(stream)

        found, code = parse(make(), *mutation.pieces(stream))

        if code is None:
            assert_grammatical(found)
            assert isinstance(found[-1], Finished), number
            chunks = chunks_of(found)
            got = received(chunks)
            if respelled:
                assert got == seed.sent, number
            for call in got["calls"]:
                assert call["name"], number
                assert call["arguments"], number
            if number % SDK_READS_EACH == 0:
                assert_the_sdk_reads(found, chunks)
        else:
            assert cut or not respelled, (number, code)


@pytest.mark.timeout(300)
def test_adapter_passes_mutated_embeddings_unchanged_or_as_an_error() -> None:
    seed = json.loads((SEEDS / "embeddings_two.json").read_bytes())
    sent = [item["embedding"] for item in seed["data"]]
    for number in range(MUTATIONS):
        mutation = Mutation(number)
        respelled = not mutation.chance(0.3)
        [answer] = mutation.respelled([seed])[:1] if respelled else [mutation.damaged([seed, seed])[0]]
        body = json.dumps(answer).encode()

        found, code = parse(EmbeddingsParser(), *mutation.pieces(body))

        if code is None:
            assert_grammatical(found)
            collector = EmbeddingsCollector("gpt")
            for event in found:
                collector.render(event)
            response = json.loads(codec.encode_json(collector.response("float")))
            if number % SDK_READS_EACH == 0:
                CreateEmbeddingResponse.model_validate(response)
            if respelled:
                assert [item["embedding"] for item in response["data"]] == sent, number
        else:
            assert not respelled, (number, code)
