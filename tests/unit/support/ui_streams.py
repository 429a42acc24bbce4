"""Events and the UI message stream that they are: read by the unit test, and by the AI SDK's own schema."""

import json
from typing import Any

from penstock_contract.errors import ErrorDetail
from penstock_contract.stream.events import (
    AnswerFields,
    Event,
    Failed,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    UsageReported,
)

START = b'{"type":"start","messageId":"msg_1","messageMetadata":{"model":"gpt","requestId":"req_1"}}'
STEP = b'{"type":"start-step"}'
END_STEP = b'{"type":"finish-step"}'
STOP = b'{"type":"finish","finishReason":"stop"}'
LOST = Failed(ErrorDetail("worker_lost", "the worker was lost"))
ERROR = b'{"type":"error","errorText":"the worker was lost"}'


def sse(*chunks: bytes) -> bytes:
    return b"".join(b"data: " + chunk + b"\n\n" for chunk in (*chunks, b"[DONE]"))


def fields(**found: Any) -> AnswerFields:
    return AnswerFields("delta", json.dumps(found).encode())


def text(number: int, *deltas: bytes) -> list[bytes]:
    id_ = b'"text-%d"' % number
    return [
        b'{"type":"text-start","id":%b}' % id_,
        *(b'{"type":"text-delta","id":%b,"delta":%b}' % (id_, delta) for delta in deltas),
        b'{"type":"text-end","id":%b}' % id_,
    ]


STREAMS: dict[str, tuple[list[Event], bytes]] = {
    "a text": (
        [TextDelta("Hel"), TextDelta("lo"), Finished("stop")],
        sse(START, STEP, *text(1, b'"Hel"', b'"lo"'), END_STEP, STOP),
    ),
    "text that JSON must escape": (
        [TextDelta('"a"\n\u2028é🌍'), Finished("stop")],
        sse(START, STEP, *text(1, '"\\"a\\"\\n\u2028é🌍"'.encode()), END_STEP, STOP),
    ),
    "a refusal": (
        [RefusalDelta("No"), RefusalDelta("."), Finished("content_filter")],
        sse(START, STEP, *text(1, b'"No"', b'"."'), END_STEP, b'{"type":"finish","finishReason":"content-filter"}'),
    ),
    "a reasoning": (
        [ReasoningDelta("h"), ReasoningDelta("m"), TextDelta("Hi"), Finished("stop")],
        sse(
            START,
            STEP,
            b'{"type":"reasoning-start","id":"reasoning-1"}',
            b'{"type":"reasoning-delta","id":"reasoning-1","delta":"h"}',
            b'{"type":"reasoning-delta","id":"reasoning-1","delta":"m"}',
            b'{"type":"reasoning-end","id":"reasoning-1"}',
            *text(2, b'"Hi"'),
            END_STEP,
            STOP,
        ),
    ),
    "a signature, which the page sends back": (
        [
            ReasoningDelta("hm"),
            fields(reasoning_details=[{"type": "reasoning.text", "signature": "s"}]),
            Finished("stop"),
        ],
        sse(
            START,
            STEP,
            b'{"type":"reasoning-start","id":"reasoning-1"}',
            b'{"type":"reasoning-delta","id":"reasoning-1","delta":"hm"}',
            b'{"type":"reasoning-end","id":"reasoning-1","providerMetadata":{"penstock":{"reasoningDetails":'
            b'[{"type":"reasoning.text","signature":"s"}]}}}',
            END_STEP,
            STOP,
        ),
    ),
    "two calls whose pieces alternate": (
        [
            TextDelta("One moment."),
            ToolCallDelta(0, "a", "weather", ""),
            ToolCallDelta(1, "b", "time", '{"z":'),
            ToolCallDelta(0, None, None, '{"x":1}'),
            ToolCallDelta(1, None, None, "2}"),
            Finished("tool_calls"),
        ],
        sse(
            START,
            STEP,
            *text(1, b'"One moment."'),
            b'{"type":"tool-input-start","toolCallId":"a","toolName":"weather"}',
            b'{"type":"tool-input-start","toolCallId":"b","toolName":"time"}',
            b'{"type":"tool-input-delta","toolCallId":"b","inputTextDelta":"{\\"z\\":"}',
            b'{"type":"tool-input-delta","toolCallId":"a","inputTextDelta":"{\\"x\\":1}"}',
            b'{"type":"tool-input-delta","toolCallId":"b","inputTextDelta":"2}"}',
            b'{"type":"tool-input-available","toolCallId":"a","toolName":"weather","input":{"x":1}}',
            b'{"type":"tool-input-available","toolCallId":"b","toolName":"time","input":{"z":2}}',
            END_STEP,
            b'{"type":"finish","finishReason":"tool-calls"}',
        ),
    ),
    "a call whose name comes late": (
        [ToolCallDelta(0, "a", None, "{"), ToolCallDelta(0, None, "f", "}"), Finished("tool_calls")],
        sse(
            START,
            STEP,
            b'{"type":"tool-input-start","toolCallId":"a","toolName":"f"}',
            b'{"type":"tool-input-delta","toolCallId":"a","inputTextDelta":"{}"}',
            b'{"type":"tool-input-available","toolCallId":"a","toolName":"f","input":{}}',
            END_STEP,
            b'{"type":"finish","finishReason":"tool-calls"}',
        ),
    ),
    "arguments that are no JSON": (
        [ToolCallDelta(0, "a", "f", '{"x'), Finished("length")],
        sse(
            START,
            STEP,
            b'{"type":"tool-input-start","toolCallId":"a","toolName":"f"}',
            b'{"type":"tool-input-delta","toolCallId":"a","inputTextDelta":"{\\"x"}',
            b'{"type":"tool-input-error","toolCallId":"a","toolName":"f","input":"{\\"x",'
            b'"errorText":"the model\'s arguments are not JSON"}',
            END_STEP,
            b'{"type":"finish","finishReason":"length"}',
        ),
    ),
    "cited pages and pictures": (
        [
            TextDelta("Hi"),
            fields(
                annotations=[
                    {"type": "url_citation", "url_citation": {"url": "https://a/", "title": "A"}},
                    {"type": "x"},
                ],
                images=[{"type": "image_url", "image_url": {"url": "data:image/webp;base64,AA"}}],
            ),
            TextDelta("!"),
            Finished("stop"),
        ],
        sse(
            START,
            STEP,
            *text(1, b'"Hi"'),
            b'{"type":"source-url","sourceId":"req_1-1","url":"https://a/","title":"A"}',
            b'{"type":"file","url":"data:image/webp;base64,AA","mediaType":"image/webp"}',
            *text(2, b'"!"'),
            END_STEP,
            STOP,
        ),
    ),
    "the count": (
        [TextDelta("Hi"), UsageReported(9, 3, 4, 1, 2), Finished("stop")],
        sse(
            START,
            STEP,
            *text(1, b'"Hi"'),
            END_STEP,
            b'{"type":"finish","finishReason":"stop","messageMetadata":{"usage":{"inputTokens":9,"inputTokenDetails":'
            b'{"noCacheTokens":3,"cacheReadTokens":4,"cacheWriteTokens":2},"outputTokens":3,"outputTokenDetails":'
            b'{"textTokens":2,"reasoningTokens":1},"totalTokens":12,"reasoningTokens":1,"cachedInputTokens":4}}}',
        ),
    ),
    "fields of the provider that this dialect has no place for": (
        [AnswerFields("answer", b'{"system_fingerprint":"fp"}'), fields(audio={"id": "a"}), Finished("stop")],
        sse(START, STEP, END_STEP, STOP),
    ),
    "a failure midway": ([TextDelta("Hi"), LOST], sse(START, STEP, *text(1, b'"Hi"'), ERROR)),
    "a stop": (
        [TextDelta("Hi"), Failed(ErrorDetail("stopped", "the stream was stopped"))],
        sse(START, STEP, *text(1, b'"Hi"'), b'{"type":"abort","reason":"the stream was stopped"}'),
    ),
    "a failure inside a call": (
        [ToolCallDelta(0, "a", "f", '{"x'), LOST],
        sse(
            START,
            STEP,
            b'{"type":"tool-input-start","toolCallId":"a","toolName":"f"}',
            b'{"type":"tool-input-delta","toolCallId":"a","inputTextDelta":"{\\"x"}',
            ERROR,
        ),
    ),
    "a failure after the commit deadline": ([LOST], sse(ERROR)),
    "nothing at all": ([Finished("stop")], sse(START, STEP, END_STEP, STOP)),
}
