"""Cloudflare Workers AI's answers: native chunks, OpenAI's chunks, whole answers, errors.

Shapes: cloudflare/ai, packages/workers-ai-provider (streaming.ts, utils.ts) and Cloudflare's REST reference.
"""

import pytest
from unit.support.parsing import assert_parsed_however_cut, parse

from penstock_contract.stream.events import Event, Finished, TextDelta, ToolCallDelta, UsageReported
from penstock_worker.providers.workers_ai.parser import WorkersAIChatParser, WorkersAIEmbeddingsParser

DONE = b"data: [DONE]\n\n"
HELLO = b'data: {"response":"Hel","p":"x"}\n\ndata: {"response":"lo"}\n\n'
COUNTED = b'data: {"response":"","usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9}}\n\n'
TEXT: list[Event] = [TextDelta("Hel"), TextDelta("lo")]
TOOLS = b'data: {"tool_calls":[{"name":"a","arguments":{"x":1}},{"name":"b","arguments":"{}"}]}\n\n'


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (HELLO + DONE, [*TEXT, Finished("stop")]),
        (HELLO + COUNTED + DONE, [*TEXT, UsageReported(7, 2), Finished("stop")]),
        (HELLO + b'data: {"response":"","finish_reason":"length"}\n\n' + DONE, [*TEXT, Finished("length")]),
        (
            b'data: {"choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n'
            b'data: {"choices":[{"index":0,"delta":{"content":"lo"},"finish_reason":"length"}]}\n\n' + DONE,
            [*TEXT, Finished("length")],
        ),
        (b'data: {"choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n' + DONE, [TEXT[0], Finished("stop")]),
        (b'data: {"response":{"city":"Rome"}}\n\n' + DONE, [TextDelta('{"city":"Rome"}'), Finished("stop")]),
        (b'{"result":{"response":"Hello"},"success":true,"errors":[]}', [TextDelta("Hello"), Finished("stop")]),
        (b' \n{"response":"Hello"}', [TextDelta("Hello"), Finished("stop")]),
    ],
)
def test_workers_ai_parser_reads_every_shape_however_it_is_cut(stream: bytes, events: list[Event]) -> None:
    assert_parsed_however_cut(WorkersAIChatParser, stream, (events, None))


def test_workers_ai_parser_reads_tool_calls_of_its_own_shape() -> None:
    events, code = parse(WorkersAIChatParser(), TOOLS, DONE)
    calls = [event for event in events if isinstance(event, ToolCallDelta)]
    assert [(call.index, call.name, call.arguments) for call in calls] == [(0, "a", '{"x":1}'), (1, "b", "{}")]
    assert (events[-1], code) == (Finished("tool_calls"), None)


@pytest.mark.parametrize(
    "stream",
    [
        HELLO,
        b"",
        b'{"result":{"response":"Hel',
        b"<html>",
        b'data: {"response":"Hel"}\n\ndata: nonsense\n\n',
    ],
)
def test_workers_ai_parser_refuses_an_answer_that_is_not_whole(stream: bytes) -> None:
    assert parse(WorkersAIChatParser(), stream)[1] == "provider_stream_broken"


@pytest.mark.parametrize("parser", [WorkersAIChatParser, WorkersAIEmbeddingsParser])
@pytest.mark.parametrize(
    "errors", [b'[{"code":3040,"message":"Capacity temporarily exceeded"}]', b"[]", b"null", b"[7]"]
)
def test_workers_ai_parser_takes_an_envelope_without_success_for_a_failure(
    parser: type[WorkersAIChatParser | WorkersAIEmbeddingsParser], errors: bytes
) -> None:
    events, code = parse(parser(), b'{"result":null,"success":false,"errors":' + errors + b"}")
    assert events == []
    assert code in {"provider_unavailable", "provider_rate_limited"}
