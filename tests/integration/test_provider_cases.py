"""Public bug reports of gateways and clients as requests over gateway, broker and worker.

Each case names the source of its right value: the API's reference or SDK type, and the report that made it a case.
"""

import json
from typing import Any, NamedTuple

import httpx
import pytest
from harness.expect import error_of
from harness.processes import until
from harness.provider import DONE, Answer, Call, chunk, data, delta, embeddings, finish, say, stream
from harness.route_spec import completion, provider, spec
from harness.stack import Stack

from penstock_broker.stores.usage import read_rows
from penstock_contract.usage.record import UsageRow

pytestmark = pytest.mark.asyncio(loop_scope="module")

MODELS = ["main", {"name": "vectors", "type": "Embedding"}]
STACK = {"routing": {"retries": 0}, "models": MODELS}


def call(id_: Any, name: str, arguments: str, index: int = 0, **more: Any) -> dict[str, Any]:
    return {"index": index, "id": id_, "type": "function", "function": {"name": name, "arguments": arguments}, **more}


def event(type_: str, **fields: Any) -> bytes:
    return f"event: {type_}\ndata: {json.dumps({'type': type_, **fields})}\n\n".encode()


def claude(*blocks: tuple[dict[str, Any], list[dict[str, Any]]], reason: str = "end_turn") -> bytes:
    """An Anthropic stream of blocks, each with its start and its deltas."""
    pieces = [event("message_start", message={"usage": {"input_tokens": 5, "output_tokens": 1}})]
    for index, (start, deltas) in enumerate(blocks):
        pieces.append(event("content_block_start", index=index, content_block=start))
        pieces += [event("content_block_delta", index=index, delta=one) for one in deltas]
        pieces.append(event("content_block_stop", index=index))
    pieces.append(event("message_delta", delta={"stop_reason": reason}, usage={"output_tokens": 7}))
    return b"".join((*pieces, event("message_stop")))


def usage(**fields: Any) -> bytes:
    return data({"choices": [], "usage": fields})


class Case(NamedTuple):
    """What a provider answers, what of it the client must get (`choice` of the completion), and why."""

    source: str
    answer: bytes
    message: dict[str, Any]
    finish: str = "stop"
    usage: dict[str, Any] | None = None
    type: str = "OpenAI"
    top: dict[str, Any] | None = None


HI = chunk("Hi")
SIGNATURE = {"google": {"thought_signature": "c2lnLTE="}}
URL_CITATION = {"type": "url_citation", "url_citation": {"url": "https://a.example", "title": "A"}}
TWO_CALLS = {"tool_calls": [("p1", "lookup", {"q": "a"}), ("p2", "lookup", {"q": "b"})]}
ID = "OpenAI's ChatCompletionMessageToolCall: id is a string"
END = finish() + DONE
TOOLS = finish("tool_calls") + DONE

ANSWERED: dict[str, Case] = {
    "1 parallel calls under one index": Case(
        "OpenAI's streaming reference: an id names one call; hermes-agent #62937",
        delta(tool_calls=[call("p1", "lookup", '{"q":"a"}')])
        + delta(tool_calls=[call("p2", "lookup", '{"q":"b"}')])
        + TOOLS,
        TWO_CALLS,
        "tool_calls",
    ),
    "1 parallel calls under one index, in one delta": Case(
        "OpenAI's streaming reference: an id names one call; omnigent PR #28",
        delta(tool_calls=[call("p1", "lookup", '{"q":"a"}'), call("p2", "lookup", '{"q":"b"}')]) + TOOLS,
        TWO_CALLS,
        "tool_calls",
    ),
    "1 parallel calls of other names under one index": Case(
        "OpenAI's streaming reference: an id names one call; gcli2api PR #406",
        delta(tool_calls=[call("p1", "f", "{}")]) + delta(tool_calls=[call("p2", "g", "{}")]) + TOOLS,
        {"tool_calls": [("p1", "f", {}), ("p2", "g", {})]},
        "tool_calls",
    ),
    "2 a thought signature": Case(
        "Google's page on thought signatures, OpenAI compatibility; openclaude #67, opencode #4832",
        delta(tool_calls=[call("p1", "lookup", "{}", extra_content=SIGNATURE)]) + TOOLS,
        {"tool_calls": [("p1", "lookup", {}, SIGNATURE)]},
        "tool_calls",
    ),
    **{
        f"6 a call whose id is {name}": Case(
            f"{ID}; opencode PR #25925, kilocode PR #5816",
            delta(
                tool_calls=[{"index": 0, "type": "function", "function": {"name": "clock", "arguments": "{}"}, **id_}]
            )
            + TOOLS,
            {"tool_calls": [("7" if id_.get("id") == 7 else None, "clock", {})]},
            "tool_calls",
        )
        for name, id_ in {"missing": {}, "empty": {"id": ""}, "null": {"id": None}, "a number": {"id": 7}}.items()
    },
    "6 a call whose id is in its second piece": Case(
        f"{ID}; binaricat/Netcatty #1004",
        delta(tool_calls=[{"index": 0, "function": {"name": "clock", "arguments": ""}}])
        + delta(tool_calls=[{"index": 0, "id": "late", "function": {"arguments": "{}"}}])
        + TOOLS,
        {"tool_calls": [(None, "clock", {})]},
        "tool_calls",
    ),
    "7 a tool without arguments": Case(
        "OpenAI writes {} for a call without arguments; pipecat PR #409",
        claude(
            (
                {"type": "tool_use", "id": "toolu_1", "name": "now", "input": {}},
                [{"type": "input_json_delta", "partial_json": ""}],
            ),
            reason="tool_use",
        ),
        {"tool_calls": [("toolu_1", "now", {})]},
        "tool_calls",
        type="Anthropic",
    ),
    "7 a tool whose input stands at its start": Case(
        "anthropic-sdk-python's accumulator begins with the block's input; anthropic-sdk-python #658",
        claude(({"type": "tool_use", "id": "toolu_1", "name": "now", "input": {"tz": "CET"}}, []), reason="tool_use"),
        {"tool_calls": [("toolu_1", "now", {"tz": "CET"})]},
        "tool_calls",
        type="Anthropic",
    ),
    "8 stop after calls": Case(
        "OpenAI's finish_reason: tool_calls if the model called a tool; opencode #14972",
        delta(tool_calls=[call("p1", "f", "{}")]) + END,
        {"tool_calls": [("p1", "f", {})]},
        "tool_calls",
    ),
    "8 a later, weaker finish": Case(
        "OpenAI's finish_reason: tool_calls if the model called a tool; vercel/workflow #1387",
        delta(tool_calls=[call("p1", "f", "{}")]) + finish("tool_calls") + END,
        {"tool_calls": [("p1", "f", {})]},
        "tool_calls",
    ),
    "8 tool_calls without a call": Case(
        "OpenAI's finish_reason: tool_calls if the model called a tool; mastra PR #14187", HI + TOOLS, {"content": "Hi"}
    ),
    "11 counts as floats": Case(
        "OpenAI's CompletionUsage: integers; easyllm #40, litellm #28024",
        HI + finish() + usage(prompt_tokens=12.0, completion_tokens=3.5, total_tokens=15.5) + DONE,
        {"content": "Hi"},
        usage={"prompt_tokens": 12, "completion_tokens": 4},
    ),
    "11 counts as text": Case(
        "OpenAI's CompletionUsage: integers; opik #4474",
        HI
        + finish()
        + usage(prompt_tokens="12", completion_tokens="3", prompt_tokens_details={"cached_tokens": 0.0})
        + DONE,
        {"content": "Hi"},
        usage={"prompt_tokens": 12, "completion_tokens": 3},
    ),
    "11 an index as a float": Case(
        "OpenAI's ChoiceDeltaToolCall: index is an integer; opik #4474",
        delta(tool_calls=[call("p1", "f", "{}", index=0.0)]) + TOOLS,  # type: ignore[arg-type]
        {"tool_calls": [("p1", "f", {})]},
        "tool_calls",
    ),
    "14 a count inside the choice": Case(
        "Moonshot's API: usage in the last choice; pi #2017, AstrBot #6614",
        HI
        + data(
            {
                "choices": [
                    {
                        "index": 0,
                        "delta": {},
                        "finish_reason": "stop",
                        "usage": {"prompt_tokens": 1336, "completion_tokens": 31, "cached_tokens": 1280},
                    }
                ]
            }
        )
        + DONE,
        {"content": "Hi"},
        usage={"prompt_tokens": 1336, "completion_tokens": 31, "prompt_tokens_details": {"cached_tokens": 1280}},
    ),
    **{
        f"14 cached tokens as {name}": Case(
            "DeepSeek's and Moonshot's API references; bike4mind PR #1089",
            HI + finish() + usage(prompt_tokens=1000, completion_tokens=5, **{name: 800}) + DONE,
            {"content": "Hi"},
            usage={"prompt_tokens": 1000, "prompt_tokens_details": {"cached_tokens": 800}},
        )
        for name in ("cached_tokens", "prompt_cache_hit_tokens")
    },
    "20 thinking in parts": Case(
        "Mistral's API: content parts of type thinking; litellm #16272, vercel/ai PR #8072",
        delta(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "let me see"}]}]) + chunk("4") + END,
        {"content": "4", "reasoning_content": "let me see"},
    ),
    "20 reasoning details": Case(
        "OpenRouter's page on reasoning tokens: send them back unchanged; open-webui #19328",
        delta(content="4", reasoning="hm", reasoning_details=[{"type": "reasoning.encrypted", "data": "b3BhcXVl"}])
        + END,
        {"content": "4", "reasoning_details": [{"type": "reasoning.encrypted", "data": "b3BhcXVl"}]},
    ),
    "27 annotations": Case(
        "OpenAI's ChatCompletionMessage.annotations; vercel/ai #9164",
        delta(content="Hi", annotations=[URL_CITATION]) + END,
        {"content": "Hi", "annotations": [URL_CITATION]},
    ),
    "27 citations beside the choices": Case(
        "Perplexity's API: citations and search_results at the top level; litellm #13777",
        data({"citations": ["https://a.example"], "search_results": [{"url": "https://a.example"}], "choices": []})
        + HI
        + END,
        {"content": "Hi"},
        top={"citations": ["https://a.example"], "search_results": [{"url": "https://a.example"}]},
    ),
    "27 Anthropic's citations": Case(
        "OpenAI's Annotation.url_citation, from Anthropic's citations_delta; litellm #11491",
        claude(
            (
                {"type": "text", "text": ""},
                [
                    {"type": "text_delta", "text": "so"},
                    {
                        "type": "citations_delta",
                        "citation": {"type": "web_search_result_location", "url": "https://a.example", "title": "A"},
                    },
                ],
            )
        ),
        {
            "content": "so",
            "annotations": [
                {
                    "type": "url_citation",
                    "url_citation": {"url": "https://a.example", "title": "A", "start_index": 0, "end_index": 2},
                }
            ],
        },
        type="Anthropic",
    ),
    **{
        f"end an error of {name} beside good choices": Case(
            "OpenAI's chunk has no error: an empty one says nothing",
            data({"error": error, "choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": None}]}) + END,
            {"content": "Hi"},
        )
        for name, error in {"an empty text": "", "an empty object": {}, "null": None}.items()
    },
    "clients 8 tier, fingerprint and prediction tokens": Case(
        "OpenAI's ChatCompletion.service_tier, system_fingerprint and CompletionTokensDetails",
        data(
            {
                "service_tier": "default",
                "system_fingerprint": "fp_abc",
                "choices": [{"index": 0, "delta": {"content": "Hi"}}],
            }
        )
        + finish()
        + usage(prompt_tokens=5, completion_tokens=7, completion_tokens_details={"accepted_prediction_tokens": 4})
        + DONE,
        {"content": "Hi"},
        usage={"completion_tokens": 7, "completion_tokens_details": {"accepted_prediction_tokens": 4}},
        top={"service_tier": "default", "system_fingerprint": "fp_abc"},
    ),
    "clients 8 images": Case(
        "OpenRouter's page on image generation: message.images",
        delta(content="Hi", images=[{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]) + END,
        {"content": "Hi", "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]},
    ),
}


def calls_of(message: dict[str, Any]) -> list[tuple[Any, ...]]:
    found = []
    for one in message.get("tool_calls") or ():
        assert isinstance(one["id"], str)
        assert one["id"]
        assert one["type"] == "function"
        extra = (one["extra_content"],) if "extra_content" in one else ()
        found.append((one["id"], one["function"]["name"], json.loads(one["function"]["arguments"]), *extra))
    return found


def streamed(text: str) -> dict[str, Any]:
    """A stream's chunks as one message, joined as OpenAI's stream helper joins them."""
    message: dict[str, Any] = {"content": "", "tool_calls": []}
    found: dict[str, Any] = {"message": message}
    for line in text.split("\n\n"):
        if not line.startswith("data: {"):
            continue
        piece = json.loads(line[6:])
        found |= {name: value for name, value in piece.items() if name != "choices" and value is not None}
        for choice in piece["choices"]:
            found["finish_reason"] = choice["finish_reason"] or found.get("finish_reason")
            for one in choice["delta"].pop("tool_calls", ()):
                if one["index"] == len(message["tool_calls"]):
                    message["tool_calls"].append(one)
                else:
                    message["tool_calls"][one["index"]]["function"]["arguments"] += one["function"]["arguments"]
            for name, value in choice["delta"].items():
                if isinstance(value, str | list) and name != "role":
                    message[name] = message.get(name, type(value)()) + value
    return found


def check(case: Case, found: dict[str, Any], message: dict[str, Any], finish_reason: str) -> None:
    expected = dict(case.message)
    for given, wanted in zip(calls_of(message), expected.pop("tool_calls", []), strict=True):
        assert given == (given[0] if wanted[0] is None else wanted[0], *wanted[1:]), case.source
    assert {name: message.get(name) for name in expected} == expected, case.source
    assert finish_reason == case.finish, case.source
    top = case.top or {}
    assert {name: found.get(name) for name in top} == top, case.source
    for name, count in (case.usage or {}).items():
        value = found["usage"][name]
        if isinstance(count, dict):
            assert {one: value.get(one) for one in count} == count, case.source
        else:
            assert value == count, case.source


@pytest.mark.parametrize("case", ANSWERED.values(), ids=ANSWERED)
async def test_an_odd_answer_reaches_the_client_as_its_sdk_reads_it(stack: Stack, case: Case) -> None:
    await stack.reconfigure(providers=[provider("main", stack.main.base_url, type=case.type)], models=MODELS)
    stack.main.answers(stream(case.answer))

    whole = await stack.post("/v1/chat/completions", completion())
    pieces = await stack.post("/v1/chat/completions", completion(stream=True, stream_options={"include_usage": True}))

    assert whole.status_code == pieces.status_code == 200, whole.text
    (choice,) = whole.json()["choices"]
    check(case, whole.json(), choice["message"], choice["finish_reason"])
    assert pieces.text.endswith("data: [DONE]\n\n")
    joined = streamed(pieces.text)
    check(case, joined, joined["message"], joined["finish_reason"])


async def row(stack: Stack, response: httpx.Response) -> UsageRow:
    """The closed usage row of a response's request."""

    async def closed() -> UsageRow | None:
        found = [one async for one in read_rows(stack.connection, since=0.0)]
        mine = [one for one in found if one.id == response.headers["x-request-id"] and one.ended is not None]
        return mine[0] if mine else None

    result: UsageRow = await until(closed, "the request has its row", timeout_s=15)
    return result


# What a provider refuses


def refusal(status: int, body: object) -> Answer:
    async def answer(call: Call) -> None:
        raw = json.dumps(body).encode()
        await call.head(status, {"content-type": "application/json"}, length=len(raw))
        await call.write(raw)
        await call.end()

    return answer


def openai_error(message: str, **fields: Any) -> dict[str, Any]:
    return {"error": {"message": message, **fields}}


def anthropic_error(type_: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": type_, "message": message}}


CREDIT = "Your credit balance is too low to access the Anthropic API."
LONG = "prompt is too long: 210000 tokens > 200000 maximum"
REFUSED: dict[str, tuple[str, str, Answer, int, str, bool]] = {
    "4 Anthropic's empty account": (
        "Anthropic's billing errors come as invalid_request_error; loa PR #891",
        "Anthropic",
        refusal(400, anthropic_error("invalid_request_error", CREDIT)),
        502,
        "provider_quota_exhausted",
        True,
    ),
    "4 Anthropic's empty account inside a 200": (
        "Anthropic's streaming errors; claude-code #66314",
        "Anthropic",
        stream(event("error", error={"type": "invalid_request_error", "message": CREDIT})),
        502,
        "provider_quota_exhausted",
        True,
    ),
    "4 OpenAI's hard limit": (
        "OpenAI's error codes: billing_hard_limit_reached",
        "OpenAI",
        refusal(400, openai_error("Billing hard limit has been reached", code="billing_hard_limit_reached")),
        502,
        "provider_quota_exhausted",
        True,
    ),
    "17 too long, Anthropic": (
        "Anthropic's errors; agno #7837",
        "Anthropic",
        refusal(400, anthropic_error("invalid_request_error", LONG)),
        400,
        "context_length_exceeded",
        True,
    ),
    "17 too long, vLLM": (
        "vLLM's serving_engine.py: code is the status; crewAI PR #4619",
        "OpenAI",
        refusal(
            400,
            openai_error(
                "This model's maximum context length is 4096 tokens.",
                type="BadRequestError",
                param="input_tokens",
                code=400,
            ),
        ),
        400,
        "context_length_exceeded",
        True,
    ),
    "17 too long, llama.cpp": (
        "llama.cpp's server: exceed_context_size_error; clients.md 9",
        "OpenAI",
        refusal(400, {"error": {"code": 400, "type": "exceed_context_size_error", "message": "too large"}}),
        400,
        "context_length_exceeded",
        True,
    ),
    "17 an empty account whose code is a number": (
        "OpenAI's error types: insufficient_quota; provider_cases.md 17",
        "OpenAI",
        refusal(429, {"error": {"code": 429, "type": "insufficient_quota"}}),
        502,
        "provider_quota_exhausted",
        True,
    ),
    "clients 9 payment required": (
        "RFC 9110 §15.5.3 and OpenRouter's errors: 402 is an empty account",
        "OpenAI",
        refusal(402, openai_error("Insufficient credits", code=402)),
        502,
        "provider_quota_exhausted",
        True,
    ),
    **{
        f"18 plain JSON in a 200: {code}": (
            "OpenAI's error codes; GoModel PR #827, aionrs PR #237",
            "OpenAI",
            refusal(200, {"error": {"code": code, "message": "x"}}),
            status,
            ours,
            again,
        )
        for code, status, ours, again in (
            ("insufficient_quota", 502, "provider_quota_exhausted", True),
            (429, 429, "provider_rate_limited", True),
            ("content_filter", 400, "content_policy_violation", False),
            ("context_length_exceeded", 400, "context_length_exceeded", True),
        )
    },
    "clients 12 a picture for a model without eyes": (
        "llama.cpp's server answers 500 with these words; clients.md 12",
        "OpenAI",
        refusal(500, openai_error("image input is not supported - hint: if this is unexpected, you may need mmproj")),
        400,
        "unsupported_by_provider",
        True,
    ),
}


@pytest.mark.parametrize(("source", "type_", "answer", "status", "code", "again"), REFUSED.values(), ids=REFUSED)
async def test_a_refusal_has_the_meaning_that_its_vendor_gives_it(
    stack: Stack, source: str, type_: str, answer: Answer, status: int, code: str, again: bool
) -> None:
    second = stack.provider.upstream("second")
    alone = [provider("main", stack.main.base_url, type=type_)]
    await stack.apply("main", spec(alone, models=MODELS, routing={"retries": 0}))
    stack.main.answers(answer)

    param = "input_tokens" if "vLLM" in source else None
    error_of(await stack.post("/v1/chat/completions", completion()), status, code, param=param)

    assert len(stack.main.calls) == 1, source
    both = [*alone, provider("second", second.base_url, priority=1)]
    await stack.apply("main", spec(both, models=MODELS, routing={"retries": 0}))
    second.answers(say("Hi"))
    response = await stack.post("/v1/chat/completions", completion())
    assert (response.status_code == 200) is again, source
    assert len(second.calls) == again


async def test_the_message_and_param_of_a_rejected_request_reach_the_client(stack: Stack) -> None:
    """openai-python's APIError prints error.message and has error.param: clients.md 2."""
    stack.main.answers(refusal(400, openai_error("refusal of the field foo", param="foo", code="bad")))
    response = await stack.post("/v1/chat/completions", completion(foo=1))
    error = error_of(response, 400, "provider_rejected", param="foo")
    assert error["message"] == "refusal of the field foo"


# What a provider is sent

UINT256 = 2**256 - 1
EPHEMERAL = {"cache_control": {"type": "ephemeral"}}
SCHEMA = {"type": "object", "properties": {"wei": {"type": "integer", "maximum": UINT256}}}
CLOCK = {"id": "functions.clock:0", "type": "function", "function": {"name": "clock", "arguments": "{}"}}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}


def user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(parts) if parts else "hi"}


def text(value: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": value, **more}


def tool(**more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "send", "parameters": SCHEMA}, **more}


HISTORY = [
    user(),
    {"role": "assistant", "content": None, "tool_calls": [{**CLOCK, "id": "p1", "extra_content": SIGNATURE}]},
    {"role": "tool", "tool_call_id": "p1", "content": "r"},
]
SENT: dict[str, tuple[str, str, dict[str, Any], dict[str, Any]]] = {
    "2 a thought signature": (
        "Google's page on thought signatures; securo #884",
        "OpenAI",
        {"messages": HISTORY},
        {"messages": HISTORY},
    ),
    "3 a schema beyond 64 bits": (
        "RFC 8259 §6: a JSON number has no bound; grpcmcp PR #5",
        "OpenAI",
        {"tools": [tool()], "top_k": 10**20},
        {"tools": [tool()], "top_k": 10**20},
    ),
    "3 a schema beyond 64 bits to Anthropic": (
        "RFC 8259 §6: a JSON number has no bound; llama.cpp PR #16626",
        "Anthropic",
        {"tools": [tool()]},
        {"tools": [{"name": "send", "input_schema": SCHEMA}]},
    ),
    "10 max_completion_tokens": (
        "OpenAI's reference: max_tokens is refused by o-series models; Pulse PR #1867, litellm #13432",
        "OpenAI",
        {"max_completion_tokens": 64},
        {"max_completion_tokens": 64},
    ),
    "11 a bound as a float": (
        "OpenAI's reference: an integer; litellm #1854",
        "OpenAI",
        {"max_tokens": 64.0},
        {"max_tokens": 64},
    ),
    "16 an empty part beside a picture": (
        "Anthropic: text content blocks must be non-empty; experiential PR #799",
        "Anthropic",
        {"messages": [user(text(""), PICTURE)]},
        {"messages": [{"role": "user", "content": [PNG]}]},
    ),
    "16 an empty part beside calls": (
        "Anthropic: text content blocks must be non-empty; hermes-agent PR #11929",
        "Anthropic",
        {"messages": [user(), {"role": "assistant", "content": [text("")], "tool_calls": [{**CLOCK, "id": "a"}]}]},
        {
            "messages": [
                {"role": "user", "content": [text("hi")]},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "clock", "input": {}}]},
            ]
        },
    ),
    "22 cache_control to a compatible server": (
        "OpenRouter's page on prompt caching; bifrost #3942",
        "OpenAI",
        {"messages": [user(text("long", **EPHEMERAL))], "tools": [tool(**EPHEMERAL)]},
        {"messages": [user(text("long", **EPHEMERAL))], "tools": [tool(**EPHEMERAL)]},
    ),
    "22 cache_control to Anthropic": (
        "Anthropic's page on prompt caching; agentgateway #2628",
        "Anthropic",
        {"messages": [user(text("long", **EPHEMERAL))], "tools": [tool(**EPHEMERAL)]},
        {
            "messages": [{"role": "user", "content": [text("long", **EPHEMERAL)]}],
            "tools": [{"name": "send", "input_schema": SCHEMA, **EPHEMERAL}],
        },
    ),
    "25 a system message only": (
        "Anthropic: messages must not be empty; litellm PR #3019",
        "Anthropic",
        {"messages": [{"role": "system", "content": "Say hi."}]},
        {"messages": [{"role": "user", "content": [text("Say hi.")]}]},
    ),
    "25 blank stops": (
        "Anthropic: stop sequences must contain non-whitespace; litellm #3286",
        "Anthropic",
        {"stop": ["", "\n", "END"]},
        {"stop_sequences": ["END"]},
    ),
    "end a schema without a type": (
        "Anthropic's Tool.input_schema: type is required",
        "Anthropic",
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"properties": {}}}}]},
        {"tools": [{"name": "f", "input_schema": {"type": "object", "properties": {}}}]},
    ),
    "end a last assistant turn that ends in a blank": (
        "Anthropic: final assistant content cannot end with trailing whitespace",
        "Anthropic",
        {"messages": [user(), {"role": "assistant", "content": "So: "}]},
        {"messages": [{"role": "user", "content": [text("hi")]}, {"role": "assistant", "content": [text("So:")]}]},
    ),
    "end temperature beside top_p at its default": (
        "Anthropic's newer models refuse both; 1 is the default of top_p",
        "Anthropic",
        {"temperature": 0.5, "top_p": 1},
        {"temperature": 0.5, "top_p": None},
    ),
    "end include_usage null": (
        "OpenAI's ChatCompletionStreamOptionsParam",
        "OpenAI",
        {"stream_options": {"include_usage": None}},
        {"stream_options": {"include_usage": True}},
    ),
    "end arguments null": (
        "provider_cases.md, end: clients send null for a call without arguments",
        "Anthropic",
        {
            "messages": [
                user(),
                {
                    "role": "assistant",
                    "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": None}}],
                },
            ]
        },
        {
            "messages": [
                {"role": "user", "content": [text("hi")]},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]},
            ]
        },
    ),
    "end reasoning_effort of another type": (
        "the provider's to judge: passed byte for byte",
        "OpenAI",
        {"reasoning_effort": {"effort": "low"}},
        {"reasoning_effort": {"effort": "low"}},
    ),
    "end, clients 4 a schema beside json_object": (
        "llama.cpp's and Together's response_format.schema",
        "OpenAI",
        {"response_format": {"type": "json_object", "schema": {"enum": ["Paris"]}}},
        {"response_format": {"type": "json_object", "schema": {"enum": ["Paris"]}}},
    ),
    "end, clients 4 a prefix": (
        "Mistral's and DeepSeek's prefix of the last assistant message",
        "OpenAI",
        {"messages": [user(), {"role": "assistant", "content": "So", "prefix": True}]},
        {"messages": [user(), {"role": "assistant", "content": "So", "prefix": True}]},
    ),
    "clients 6 structured output on Anthropic": (
        "Anthropic's output_config.format",
        "Anthropic",
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "n", "schema": {"type": "object", "properties": {}}},
            }
        },
        {
            "output_config": {
                "format": {
                    "type": "json_schema",
                    "schema": {"type": "object", "properties": {}, "additionalProperties": False},
                }
            }
        },
    ),
    "clients 7 a picture in a tool's result": (
        "Anthropic's ToolResultBlockParam.content takes images",
        "Anthropic",
        {
            "messages": [
                user(),
                {"role": "assistant", "tool_calls": [{**CLOCK, "id": "a"}]},
                {"role": "tool", "tool_call_id": "a", "content": [PICTURE]},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": [text("hi")]},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "clock", "input": {}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": [PNG]}]},
            ]
        },
    ),
    "clients 7 thinking and effort": (
        "Anthropic's thinking and output_config.effort",
        "Anthropic",
        {"reasoning_effort": "high"},
        {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
    ),
    "clients 14 a PDF": (
        "Anthropic's DocumentBlockParam, OpenAI's FilePart",
        "Anthropic",
        {
            "messages": [
                user(
                    {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"}}
                )
            ]
        },
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "document",
                            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
                            "title": "a.pdf",
                        }
                    ],
                }
            ]
        },
    ),
    "clients 14 sound": (
        "OpenAI's InputAudioPart",
        "OpenAI",
        {"messages": [user({"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}})]},
        {"messages": [user({"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}})]},
    ),
    "clients 17 an assistant's null content": (
        "OpenAI's assistant message: content may be null beside calls",
        "OpenAI",
        {"messages": HISTORY},
        {"messages": HISTORY},
    ),
    "clients 17 no bound": ("llama.cpp's and LM Studio's -1", "OpenAI", {"max_tokens": -1}, {"max_tokens": None}),
}


@pytest.mark.parametrize(("source", "type_", "fields", "sent"), SENT.values(), ids=SENT)
async def test_a_request_reaches_the_provider_in_its_own_form(
    stack: Stack, source: str, type_: str, fields: dict[str, Any], sent: dict[str, Any]
) -> None:
    await stack.reconfigure(providers=[provider("main", stack.main.base_url, type=type_)], models=MODELS)
    stack.main.answers(stream(claude(({"type": "text", "text": "Hi"}, [])) if type_ == "Anthropic" else HI + END))

    response = await stack.post("/v1/chat/completions", {**completion(), **fields})

    assert response.status_code == 200, response.text
    body = json.loads(stack.main.calls[0].raw_body)
    assert {name: body.get(name) for name in sent} == sent, source


@pytest.mark.parametrize("ids", [("functions.clock:0",), ("",), ("a.b", "a:b")])
async def test_tool_ids_of_other_providers_are_clean_for_anthropic(stack: Stack, ids: tuple[str, ...]) -> None:
    """Anthropic's ToolUseBlockParam.id: ^[a-zA-Z0-9_-]+$; bifrost #5097, claude-code-router #1808."""
    await stack.reconfigure(providers=[provider("main", stack.main.base_url, type="Anthropic")], models=MODELS)
    stack.main.answers(stream(claude(({"type": "text", "text": "Hi"}, []))))
    messages = [
        user(),
        {"role": "assistant", "tool_calls": [{**CLOCK, "id": one} for one in ids]},
        *({"role": "tool", "tool_call_id": one, "content": "12:00"} for one in ids),
    ]

    assert (await stack.post("/v1/chat/completions", completion() | {"messages": messages})).status_code == 200

    _, asked, answered = stack.main.calls[0].body["messages"]
    used = [block["id"] for block in asked["content"]]
    assert all(set(one) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") for one in used)
    assert all(used)
    assert len(set(used)) == len(ids)
    assert [block["tool_use_id"] for block in answered["content"]] == used


EMBEDDED: dict[str, tuple[str, dict[str, Any]]] = {
    "9 without usage": (
        "Gemini's endpoint has none; spring-ai PR #7026",
        {"data": [{"index": 0, "embedding": [0.5, 0.25]}]},
    ),
    "9 with null usage": (
        "tensorzero PR #4617",
        {"data": [{"index": 0, "embedding": [0.5, 0.25]}], "usage": None},
    ),
    "9 with a usage of 0": (
        "LM Studio; lmstudio-bug-tracker #1546",
        {"data": [{"index": 0, "embedding": [0.5, 0.25]}], "usage": {"prompt_tokens": 0}},
    ),
    "end without index": ("provider_cases.md, end", {"data": [{"embedding": [0.5, 0.25]}]}),
    "end as base64": (
        "OpenAI's encoding_format: little-endian float32",
        {"data": [{"index": 0, "embedding": "AAAAPwAAgD4="}]},
    ),
}


@pytest.mark.parametrize(("source", "answer"), EMBEDDED.values(), ids=EMBEDDED)
async def test_an_odd_answer_of_embeddings_is_read_and_counted(
    stack: Stack, source: str, answer: dict[str, Any]
) -> None:
    stack.main.answers(refusal(200, answer))
    response = await stack.post("/v1/embeddings", {"model": "vectors", "input": "who are you?"})
    assert response.status_code == 200, source
    assert response.json()["data"][0]["embedding"] == [0.5, 0.25], source
    tokens = (await row(stack, response)).tokens
    assert tokens.input > 0, source
    assert tokens.estimated, source


@pytest.mark.parametrize("counted", [{"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, {}], ids=str)
async def test_a_count_of_nothing_beside_text_is_replaced_by_our_own(stack: Stack, counted: dict[str, Any]) -> None:
    """An answer with text has cost tokens: case 9; litellm #37923 (budgets never triggered), tensorzero PR #4617."""
    stack.main.answers(stream(HI + finish() + usage(**counted) + DONE))
    response = await stack.post("/v1/chat/completions", completion())
    assert response.status_code == 200
    tokens = (await row(stack, response)).tokens
    assert (tokens.input > 0, tokens.output > 0, tokens.estimated) == (True, True, True)


async def test_unknown_fields_of_embeddings_reach_the_provider(stack: Stack) -> None:
    """NVIDIA NIM requires input_type; litellm #6001, cognee PR #3884."""
    stack.main.answers(embeddings([[0.5]]))
    await stack.post("/v1/embeddings", {"model": "vectors", "input": "who?", "input_type": "query", "truncate": "END"})
    assert stack.main.calls[0].body == {"model": "vectors", "input": "who?", "input_type": "query", "truncate": "END"}


@pytest.mark.parametrize(
    ("path", "body", "status", "param"),
    [
        ("/v1/chat/completions", completion(seed=2**64), 400, "seed"),
        ("/v1/embeddings", {"model": "vectors", "input": [2**64]}, 400, "input"),
        ("/v1/chat/completions", completion(n=2), 400, "n"),
        ("/api/generate", {"prompt": "x", "temperature": 9}, 400, "temperature"),
    ],
    ids=["3 a seed beyond 64 bits", "3 a token beyond 64 bits", "clients 17 n", "clients 11 the simple endpoints"],
)
async def test_what_cannot_be_sent_is_a_400_that_names_the_field(
    stack: Stack, path: str, body: dict[str, Any], status: int, param: str
) -> None:
    """OpenAI's error object has param; provider_cases.md 3: never a 5xx. clients.md 11 and 17."""
    error_of(await stack.post(path, body), status, "invalid_request", param=param)
    assert not stack.main.calls
