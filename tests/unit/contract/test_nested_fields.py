"""Names inside a chat request that are omitted for a provider, compared with the requests of the adapters."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from unit.support.operations import chat

from penstock_contract.request.nested_fields import is_openais_own, nested_ignored
from penstock_contract.route.provider import ProviderSpec
from penstock_worker.upstream.provider_factory import ADAPTERS


def provider(type_: str = "Anthropic", url: str | None = None) -> ProviderSpec:
    return msgspec.convert({"name": "p", "type": type_, "baseURL": url}, ProviderSpec)


OPENAI = provider("OpenAI")
CACHED = {"cache_control": {"type": "ephemeral"}}
HI = {"role": "user", "content": "hi"}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def assistant(**fields: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": "a", **fields}


def part(**fields: Any) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": "hi", **fields}]}


def tool(definition: Any = None, **fields: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "f", "parameters": {}, **(definition or {})}, **fields}


PICTURE = {"type": "image_url", "image_url": {"url": "https://a.example/p.png", "detail": "high"}}
FOREIGN_DETAIL = {"type": "reasoning.encrypted", "data": "b3BhcXVl", "format": "openai-responses-v1"}
SIGNED = {"type": "reasoning.text", "text": "hm", "signature": "s", "format": "anthropic-claude-v1"}

LEFT_OUT: dict[str, tuple[list[Any], dict[str, Any], list[str]]] = {
    "a name": ([{**HI, "name": "ada"}], {}, ["messages.name"]),
    "reasoning text": ([HI, assistant(reasoning_content="hm")], {}, ["messages.reasoning_content"]),
    "OpenRouter's reasoning": ([HI, assistant(reasoning="hm")], {}, ["messages.reasoning"]),
    "another provider's reasoning details": (
        [HI, assistant(reasoning_details=[SIGNED, FOREIGN_DETAIL])],
        {},
        ["messages.reasoning_details"],
    ),
    "Gemini's signature": (
        [HI, assistant(tool_calls=[{**CALL, "extra_content": {"google": {"thought_signature": "c2ln"}}}])],
        {},
        ["messages.tool_calls.extra_content"],
    ),
    "annotations": ([HI, assistant(annotations=[{"type": "url_citation"}])], {}, ["messages.annotations"]),
    "a prefix": ([HI, assistant(prefix=True)], {}, ["messages.prefix"]),
    "an unknown field of a part": ([part(vendor=1)], {}, ["messages.content.vendor"]),
    "how exactly to look at a picture": (
        [{"role": "user", "content": [PICTURE]}],
        {},
        ["messages.content.image_url.detail"],
    ),
    "an unknown field of a tool": ([HI], {"tools": [tool(vendor=1)]}, ["tools.vendor"]),
    "an unknown field of a function": ([HI], {"tools": [tool({"vendor": 1})]}, ["tools.function.vendor"]),
    "a schema's description": (
        [HI],
        {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "description": "d", "schema": {}}}},
        ["response_format.json_schema.description"],
    ),
}


def keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from keys(inner)


@pytest.mark.parametrize(("messages", "fields", "names"), LEFT_OUT.values(), ids=LEFT_OUT)
def test_nested_fields_list_a_name_without_a_place_in_anthropics_dialect(
    messages: list[Any], fields: dict[str, Any], names: list[str]
) -> None:
    operation = chat(*messages, **fields)

    assert nested_ignored(operation.body, provider()) == names
    assert nested_ignored(operation.body, provider("OpenAI", "https://openrouter.ai/api/v1")) == []
    sent = json.loads(ADAPTERS["Anthropic"]().request(operation, "m", provider(), None).body)
    assert names[0].rpartition(".")[2] not in set(keys(sent))


def test_nested_fields_do_not_list_a_name_that_is_sent_to_anthropic() -> None:
    messages = [
        {"role": "system", "content": [{"type": "text", "text": "s", **CACHED}]},
        {"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": "data:,"}]},
        assistant(
            tool_calls=[{**CALL, "index": 0}], reasoning_details=[SIGNED], refusal=None, audio=None, annotations=[]
        ),
        {"role": "tool", "tool_call_id": "c1", "content": "r", **CACHED},
        {"role": "user", "content": [{"type": "file", "file": {"file_data": "JVBERi0=", "filename": "a.pdf"}}]},
    ]
    schema = {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": {"type": "object"}}}
    operation = chat(*messages, tools=[tool({"strict": True, "description": "d"}, **CACHED)], response_format=schema)

    assert nested_ignored(operation.body, provider()) == []


@pytest.mark.parametrize(
    ("type_", "url", "own"),
    [
        ("OpenAI", None, True),
        ("OpenAI", "https://eu.api.openai.com/v1", True),
        ("OpenAI", "https://r.openai.azure.com/openai/v1", True),
        ("OpenAI", "https://openrouter.ai/api/v1", False),
        ("OpenAI", "https://r.services.ai.azure.com/openai/v1", False),
        ("AzureOpenAI", "https://r.services.ai.azure.com/openai/v1", True),
        ("CloudflareWorkersAI", "https://api.cloudflare.com/client/v4/accounts/a/ai", False),
        ("Anthropic", None, False),
    ],
)
def test_nested_fields_distinguish_openais_hosts_from_compatible_servers(
    type_: str, url: str | None, own: bool
) -> None:
    assert is_openais_own(provider(type_, url)) is own


@pytest.mark.parametrize("type_", ["OpenAI", "AzureOpenAI"])
def test_nested_fields_list_and_omit_names_that_openais_hosts_reject(type_: str) -> None:
    spec = provider(type_, "https://r.openai.azure.com/openai/v1")
    operation = chat(
        part(**CACHED),
        {**assistant(reasoning_content="hm", reasoning_details=[SIGNED]), **CACHED},
        assistant(tool_calls=[{**CALL, "extra_content": {"google": {}}, **CACHED}]),
        tools=[tool({**CACHED}, **CACHED)],
    )

    assert nested_ignored(operation.body, spec) == [
        "messages.content.cache_control",
        "messages.reasoning_content",
        "messages.reasoning_details",
        "messages.cache_control",
        "messages.tool_calls.extra_content",
        "messages.tool_calls.cache_control",
        "tools.cache_control",
        "tools.function.cache_control",
    ]
    sent = json.loads(ADAPTERS[type_]().request(operation, "m", spec, None).body)
    assert sent["messages"] == [part(), assistant(), assistant(tool_calls=[CALL])]
    assert sent["tools"] == [tool()]


@pytest.mark.parametrize(
    "body", [b'{"messages":[{"content":[1]}]}', b'{"messages":1}', b"[", b'{"messages":[{}],"tools":1}']
)
def test_nested_fields_of_a_body_of_another_shape_are_none(body: bytes) -> None:
    assert nested_ignored(body, provider()) == []
    assert nested_ignored(body + b"cache_control", OPENAI) == []
