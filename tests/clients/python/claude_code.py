"""The requests that Claude Code sends, from its environment variables: shapes of 2.1, without its prompts.

Many tools, marks for the cache, a budget of thinking, `?beta=true`, the count of tokens, its small model's calls.
"""

import json
import os

import httpx2 as httpx
from cases import case, run

URL = os.environ.get("ANTHROPIC_BASE_URL") or os.environ["PENSTOCK_URL"]
MODEL = os.environ.get("ANTHROPIC_MODEL") or os.environ["MODEL"]
TOKEN = os.environ.get("ANTHROPIC_AUTH_TOKEN") or "not-needed"
TEXT = "Paris is the capital of France."
EPHEMERAL = {"type": "ephemeral"}
BETAS = (
    "claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27,prompt-caching-scope-2026-01-05"
)
HEADERS = {
    "accept": "application/json",
    "authorization": f"Bearer {TOKEN}",
    "anthropic-version": "2023-06-01",
    "anthropic-beta": BETAS,
    "anthropic-dangerous-direct-browser-access": "true",
    "user-agent": "claude-cli/2.1.332 (external, cli)",
    "x-app": "cli",
    "x-stainless-helper-method": "stream",
    "x-stainless-lang": "js",
    "x-stainless-retry-count": "0",
    "x-stainless-timeout": "600",
}
NAMES = ("Task", "Bash", "Glob", "Grep", "Read", "Edit", "Write", "NotebookEdit", "WebFetch", "TodoWrite", "WebSearch")
TOOLS = [
    {
        "name": name,
        "description": f"{name}. " + "A long description of what the tool does. " * 40,
        "input_schema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {"path": {"type": "string", "description": "an absolute path"}},
            "required": ["path"],
            "additionalProperties": False,
        },
        "eager_input_streaming": True,
    }
    for name in (*NAMES, *(f"mcp__server__tool_{number}" for number in range(40)))
]
SYSTEM = [
    {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.332; cc_entrypoint=cli;"},
    {"type": "text", "text": "You are Claude Code.", "cache_control": EPHEMERAL},
    {"type": "text", "text": "Instructions. " * 500, "cache_control": {**EPHEMERAL, "ttl": "1h"}},
]
FIRST = {
    "role": "user",
    "content": [
        {"type": "text", "text": "<system-reminder>\nThe files of the project …\n</system-reminder>\n"},
        {"type": "text", "text": "What is the capital of France?", "cache_control": EPHEMERAL},
    ],
}
MAIN = {
    "model": MODEL,
    "messages": [FIRST],
    "system": SYSTEM,
    "tools": TOOLS,
    "metadata": {"user_id": json.dumps({"device_id": "d" * 64, "account_uuid": "", "session_id": "s"})},
    "max_tokens": 32_000,
    "thinking": {"budget_tokens": 31_999, "type": "enabled"},
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    "stream": True,
}
client = httpx.Client(base_url=URL, headers=HEADERS, timeout=30)


def stream(body: dict) -> list[dict]:
    response = client.post("/v1/messages?beta=true", json=body)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["request-id"]
    events = []
    for one in response.text.split("\n\n"):
        if one and not one.startswith(":"):
            name, data = one.split("\n")
            events.append(json.loads(data.removeprefix("data: ")))
            assert name == f"event: {events[-1]['type']}"
    check_order(events)
    return events


def check_order(events: list[dict]) -> None:
    """Faults that break Claude Code: a second start, a delta of another block's type, counts that are missing."""
    kinds = [event["type"] for event in events if event["type"] != "ping"]
    assert kinds[0] == "message_start"
    assert kinds.count("message_start") == kinds.count("message_delta") == kinds.count("message_stop") == 1
    assert kinds[-1] == "message_stop"
    usage = events[0]["message"]["usage"]
    for name in ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"):
        assert isinstance(usage[name], int), name
    assert isinstance(usage["cache_creation"]["ephemeral_5m_input_tokens"], int)
    types: dict[int, str] = {}
    allowed = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "thinking"}
    for event in events:
        if event["type"] == "content_block_start":
            types[event["index"]] = event["content_block"]["type"]
        elif event["type"] == "content_block_delta":
            assert types[event["index"]] == allowed.get(event["delta"]["type"], "tool_use")
    assert list(types) == list(range(len(types)))


def joined(events: list[dict], name: str) -> str:
    return "".join(event["delta"].get(name, "") for event in events if event["type"] == "content_block_delta")


@case
def a_turn_with_every_tool() -> None:
    events = stream(MAIN)
    calls = [event["content_block"] for event in events if event["type"] == "content_block_start"]
    names = [block["name"] for block in calls if block["type"] == "tool_use"]
    assert names == [tool["name"] for tool in TOOLS]
    assert joined(events, "thinking") == "Let me think."
    [ended] = [event for event in events if event["type"] == "message_delta"]
    assert ended["delta"]["stop_reason"] == "tool_use"
    assert ended["usage"]["output_tokens"] == 5


@case
def the_turn_after_a_tool() -> None:
    call = {"type": "tool_use", "id": "toolu_01", "name": "Read", "input": {"path": "/a"}, "caller": {"type": "direct"}}
    turns = [
        FIRST,
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
                {"type": "text", "text": "I read."},
                call,
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_01", "content": "1\tx", "is_error": False},
                {"type": "text", "text": "<system-reminder>\n…\n</system-reminder>", "cache_control": EPHEMERAL},
            ],
        },
    ]
    events = stream({**MAIN, "messages": turns})
    assert joined(events, "text") == "It is sunny in Rome."


@case
def an_interrupted_tool() -> None:
    turns = [
        FIRST,
        {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_02", "name": "Bash", "input": {}}]},
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_02",
                    "content": [{"type": "text", "text": "The user doesn't want to proceed"}],
                    "is_error": True,
                },
                {"type": "text", "text": "[Request interrupted by user for tool use]"},
            ],
        },
    ]
    assert joined(stream({**MAIN, "messages": turns}), "text") == "It is sunny in Rome."


@case
def a_call_of_the_small_model() -> None:
    quota = {
        "model": MODEL,
        "max_tokens": 1,
        "messages": [{"role": "user", "content": "quota"}],
        "metadata": MAIN["metadata"],
    }
    response = client.post("/v1/messages?beta=true", json=quota)
    assert response.status_code == 200, response.text
    assert response.json()["type"] == "message"
    title = {**MAIN, "tools": [], "system": SYSTEM[:2], "temperature": 1, "max_tokens": 512}
    del title["thinking"], title["context_management"]
    assert joined(stream(title), "text") == TEXT


@case
def a_count_of_tokens() -> None:
    body = {"model": MODEL, "messages": [{"role": "user", "content": "foo"}], "tools": TOOLS}
    response = client.post("/v1/messages/count_tokens?beta=true", json=body)
    assert response.status_code == 200, response.text
    assert response.json()["input_tokens"] > 0


@case
def the_models_and_a_head_request() -> None:
    page = client.get("/v1/models?limit=1000").json()
    assert MODEL in [model["id"] for model in page["data"]]
    assert client.head("/v1/models").status_code == 200


@case
def an_error_it_can_show() -> None:
    response = client.post("/v1/messages?beta=true", json={**MAIN, "model": "no-such-model"})
    assert response.status_code == 404
    body = response.json()
    assert (body["type"], body["error"]["type"]) == ("error", "not_found_error")
    assert body["request_id"] == response.headers["request-id"]


run()
