"""Fields of a client's request that reach a provider through gateway, broker and worker."""

import json
from typing import Any

import pytest
from harness.expect import error_of
from harness.provider_answers import embeddings, stream
from harness.route_spec import chat, completion, provider, spec
from harness.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

STACK = {"models": ["main", {"name": "vectors", "type": "Embedding"}]}
CLAUDE = [
    f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
    for event in (
        {"type": "message_start", "message": {"usage": {"input_tokens": 3, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
        {"type": "message_stop"},
    )
]
UINT256 = 2**256 - 1
MESSAGES: list[dict[str, Any]] = [
    {"role": "user", "content": [{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}]},
    {
        "role": "assistant",
        "content": None,
        "reasoning_details": [{"type": "reasoning.encrypted", "data": "b3BhcXVl"}],
        "tool_calls": [
            {
                "id": "p1",
                "type": "function",
                "function": {"name": "lookup", "arguments": "{}"},
                "extra_content": {"google": {"thought_signature": "c2lnLTE="}},
            }
        ],
    },
    {"role": "tool", "tool_call_id": "p1", "content": "r"},
]
KEPT: dict[str, Any] = {
    "top_k": 10**30,
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"maximum": UINT256}}}],
    "response_format": {"type": "json_object", "schema": {"maximum": UINT256}},
    "unknown": {"a": [None, -(2**70), 1.5]},
}


async def test_gateway_passes_nested_and_unknown_fields_to_the_provider(stack: Stack) -> None:
    body = completion(**KEPT)
    body["messages"] = MESSAGES
    response = await stack.post("/v1/chat/completions", body)
    assert response.status_code == 200
    sent = json.loads(stack.main.calls[0].raw_body)
    assert sent["messages"] == MESSAGES
    assert {name: sent[name] for name in KEPT} == KEPT
    assert "x-penstock-ignored" not in response.headers


async def test_gateway_passes_unknown_embeddings_fields_to_the_provider(stack: Stack) -> None:
    stack.main.answers(embeddings([[0.5, -1.25]]))
    await stack.post("/v1/embeddings", {"model": "vectors", "input": "who?", "input_type": "query", "truncate": "END"})
    sent = stack.main.calls[0].body
    assert sent == {"model": "vectors", "input": "who?", "input_type": "query", "truncate": "END"}


@pytest.mark.parametrize(
    "body",
    [
        b'"seed":1000000000000000000000000000000',
        b'"models":["another"]',
        b'"MODEL":"another"',
        b'"api_base":"https://example.com"',
        b'"n":1000',
    ],
)
async def test_gateway_rejects_a_forbidden_field_before_a_provider_call(stack: Stack, body: bytes) -> None:
    sent = b'{"model":"main","messages":[{"role":"user","content":"hi"}],' + body + b"}"
    response = await stack.client.post("/v1/chat/completions", content=sent)
    error_of(response, 400, "invalid_request", param=json.loads(b"{" + body + b"}").popitem()[0])
    assert not stack.main.calls


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/chat", chat(temperature=9)),
        ("/api/generate", {"prompt": "x", "system": "be brief"}),
        ("/api/embed", {"text": "x", "input_type": "query"}),
    ],
)
async def test_gateway_rejects_unknown_fields_in_the_simple_dialect(
    stack: Stack, path: str, body: dict[str, Any]
) -> None:
    error_of(await stack.post(path, body), 400, "invalid_request", param=list(body)[-1])


async def test_adapter_names_fields_that_anthropic_was_not_sent(stack: Stack) -> None:
    claude = stack.provider.upstream("claude")
    claude.answers(stream(*CLAUDE))
    hints = {"seed": 7, "metadata": {"a": "b"}}
    providers = [
        provider("claude", claude.base_url, type="Anthropic"),
        provider("next", stack.main.base_url, priority=1),
    ]
    await stack.apply("main", spec(providers, models=["main"]))
    try:
        refused = await stack.post("/v1/chat/completions", completion(**hints, temperature=1.5))
        assert refused.status_code == 200, "beyond Anthropic's scale: the next provider answers"
        assert "x-penstock-ignored" not in refused.headers
        assert not claude.calls
        for streamed in (False, True):
            answered = await stack.post("/v1/chat/completions", completion(**hints, stream=streamed))
            assert answered.status_code == 200
            assert answered.headers["x-penstock-ignored"] == "seed, metadata"
        history = [{"role": "assistant", "content": "a", "reasoning_content": "hm", "annotations": [{"type": "x"}]}]
        nested = completion()
        nested["messages"] = [{"role": "user", "content": "hi", "name": "ada"}, *history, *nested["messages"]]
        answered = await stack.post("/v1/chat/completions", nested)
        assert answered.headers["x-penstock-ignored"] == (
            "messages.name, messages.reasoning_content, messages.annotations"
        )
    finally:
        await stack.apply("main", stack.spec())
