"""Public bug reports of gateways and clients as requests over gateway, broker and worker.

Each case names the source of its right value: the API's reference or SDK type, and the report that made it a case. The
tables are in `harness.provider_cases`; the numbers are those of the list of cases, A to D and its end.
"""

import json
from typing import Any

import httpx
import pytest
from harness.expect import error_of
from harness.processes import until
from harness.provider_answers import DONE, embeddings, finish, stream, text_stream
from harness.provider_call import Answer
from harness.provider_cases.answers import ANSWERED, END, HI, Case, claude, usage
from harness.provider_cases.embeddings import EMBEDDED
from harness.provider_cases.refusals import REFUSED, openai_error, refusal
from harness.provider_cases.requests import CLOCK, SENT, user
from harness.route_spec import completion, provider, spec
from harness.stack import Stack

from penstock_broker.stores.usage import read_rows
from penstock_contract.usage.record import UsageRow

pytestmark = pytest.mark.asyncio(loop_scope="module")

MODELS = ["main", {"name": "vectors", "type": "Embedding"}]
STACK = {"routing": {"retries": 0}, "models": MODELS}


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
async def test_adapter_reads_an_unusual_answer_like_the_vendors_sdk(stack: Stack, case: Case) -> None:
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


@pytest.mark.parametrize(("source", "type_", "answer", "status", "code", "again"), REFUSED.values(), ids=REFUSED)
async def test_adapter_maps_a_refusal_to_its_documented_meaning(
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
    second.answers(text_stream("Hi"))
    response = await stack.post("/v1/chat/completions", completion())
    assert (response.status_code == 200) is again, source
    assert len(second.calls) == again


async def test_gateway_passes_message_and_param_of_a_rejected_request(stack: Stack) -> None:
    """openai-python's APIError prints error.message and has error.param: clients.md 2."""
    stack.main.answers(refusal(400, openai_error("refusal of the field foo", param="foo", code="bad")))
    response = await stack.post("/v1/chat/completions", completion(foo=1))
    error = error_of(response, 400, "provider_rejected", param="foo")
    assert error["message"] == "refusal of the field foo"


@pytest.mark.parametrize(("source", "type_", "fields", "sent"), SENT.values(), ids=SENT)
async def test_adapter_writes_the_request_in_the_providers_dialect(
    stack: Stack, source: str, type_: str, fields: dict[str, Any], sent: dict[str, Any]
) -> None:
    await stack.reconfigure(providers=[provider("main", stack.main.base_url, type=type_)], models=MODELS)
    stack.main.answers(stream(claude(({"type": "text", "text": "Hi"}, [])) if type_ == "Anthropic" else HI + END))

    response = await stack.post("/v1/chat/completions", {**completion(), **fields})

    assert response.status_code == 200, response.text
    body = json.loads(stack.main.calls[0].raw_body)
    assert {name: body.get(name) for name in sent} == sent, source


@pytest.mark.parametrize("ids", [("functions.clock:0",), ("",), ("a.b", "a:b")])
async def test_adapter_cleans_foreign_tool_ids_for_anthropic(stack: Stack, ids: tuple[str, ...]) -> None:
    """Anthropic's ToolUseBlockParam.id: ^[a-zA-Z0-9_-]+$; bifrost #5097, claude-code-router #1808."""
    await stack.reconfigure(providers=[provider("main", stack.main.base_url, type="Anthropic")], models=MODELS)
    stack.main.answers(stream(claude(({"type": "text", "text": "Hi"}, []))))
    messages = [
        user(),
        {"role": "assistant", "tool_calls": [{**CLOCK, "id": one} for one in ids]},
        *({"role": "tool", "tool_call_id": one, "content": "12:00"} for one in ids),
    ]

    assert (await stack.post("/v1/chat/completions", completion() | {"messages": messages})).status_code == 200

    _, requested, answered = stack.main.calls[0].body["messages"]
    used = [block["id"] for block in requested["content"]]
    assert all(set(one) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") for one in used)
    assert all(used)
    assert len(set(used)) == len(ids)
    assert [block["tool_use_id"] for block in answered["content"]] == used


@pytest.mark.parametrize(("source", "answer"), EMBEDDED.values(), ids=EMBEDDED)
async def test_adapter_reads_and_counts_an_unusual_embeddings_answer(
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
async def test_worker_replaces_a_zero_count_beside_text(stack: Stack, counted: dict[str, Any]) -> None:
    """An answer with text has cost tokens: case 9; litellm #37923 (budgets never triggered), tensorzero PR #4617."""
    stack.main.answers(stream(HI + finish() + usage(**counted) + DONE))
    response = await stack.post("/v1/chat/completions", completion())
    assert response.status_code == 200
    tokens = (await row(stack, response)).tokens
    assert (tokens.input > 0, tokens.output > 0, tokens.estimated) == (True, True, True)


async def test_adapter_passes_unknown_embeddings_fields(stack: Stack) -> None:
    """NVIDIA NIM requires input_type; litellm #6001, cognee PR #3884."""
    stack.main.answers(embeddings([[0.5]]))
    await stack.post("/v1/embeddings", {"model": "vectors", "input": "who?", "input_type": "query", "truncate": "END"})
    assert stack.main.calls[0].body == {"model": "vectors", "input": "who?", "input_type": "query", "truncate": "END"}


@pytest.mark.parametrize(
    ("path", "body", "status", "param"),
    [
        ("/v1/chat/completions", completion(seed=2**64), 400, "seed"),
        ("/v1/embeddings", {"model": "vectors", "input": [2**64]}, 400, "input"),
        ("/v1/chat/completions", completion(n=0), 400, "n"),
        ("/api/generate", {"prompt": "x", "temperature": 9}, 400, "temperature"),
    ],
    ids=["3 a seed beyond 64 bits", "3 a token beyond 64 bits", "clients 17 n", "clients 11 the simple endpoints"],
)
async def test_gateway_rejects_an_unsupported_field_by_name(
    stack: Stack, path: str, body: dict[str, Any], status: int, param: str
) -> None:
    """OpenAI's error object has param; provider_cases.md 3: never a 5xx. clients.md 11 and 17."""
    error_of(await stack.post(path, body), status, "invalid_request", param=param)
    assert not stack.main.calls
