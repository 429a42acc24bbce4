"""Requests of Anthropic's Messages API that a provider of OpenAI's cannot be sent: each is refused by name."""

import json
from typing import Any

import msgspec
import pytest
from unit.support.operations import messages

from penstock_contract.anthropic.body import read_count
from penstock_contract.errors import PenstockError
from penstock_contract.route.provider import ProviderSpec
from penstock_worker.providers.openai.adapter import OpenAIAdapter

PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
TOOL = {"name": "now", "description": "the time", "input_schema": {"type": "object", "properties": {}}}
CALL = {"type": "tool_use", "id": "t1", "name": "now", "input": {"at": "é"}}


def provider(**fields: Any) -> ProviderSpec:
    return msgspec.convert(
        {"name": "p", "type": "OpenAI", "baseURL": "https://vllm.example/v1", **fields}, ProviderSpec
    )


SPEC = provider()
OWN = provider(baseURL=None)


def body(*turns: Any, spec: ProviderSpec = SPEC, **fields: Any) -> Any:
    return json.loads(OpenAIAdapter().request(messages(*turns, **fields), "gpt", spec, None).body)


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


def result(content: Any = "noon", **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": "t1", "content": content, **more}


def document(**source: Any) -> dict[str, Any]:
    return {"type": "document", "source": source, "title": "T"}


REFUSED: dict[str, tuple[list[Any], dict[str, Any], str]] = {
    "a server's tool": ([], {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0]"),
    "a tool for code": (
        [],
        {"tools": [{**TOOL, "allowed_callers": ["code_execution_20250825"]}]},
        "tools[0].allowed_callers",
    ),
    "a tool without a schema": ([], {"tools": [{"name": "f"}]}, "tools[0].input_schema"),
    "a choice": ([], {"tools": [TOOL], "tool_choice": {"type": "best"}}, "tool_choice"),
    "an effort": ([], {"output_config": {"effort": "huge"}}, "output_config.effort"),
    "a format": ([], {"output_config": {"format": {"type": "xml"}}}, "output_config.format"),
    "a container": ([], {"container": "c"}, "container"),
    "a region": ([], {"inference_geo": "eu"}, "inference_geo"),
    "servers": ([], {"mcp_servers": [{"type": "url", "url": "https://a"}]}, "mcp_servers"),
    "an unknown field": ([], {"novel": 1}, "novel"),
    "another model": ([], {"fallbacks": [{"model": "x"}]}, "fallbacks"),
    "no tokens": ([], {"max_tokens": 0}, "max_tokens"),
    "an unknown block": ([user({"type": "hologram"})], {}, "messages[0].content[0]"),
    "a search result": ([user({"type": "search_result", "source": "s"})], {}, "messages[0].content[0]"),
    "a server's call": ([assistant({"type": "server_tool_use"})], {}, "messages[0].content[0]"),
    "a picture of an assistant": ([assistant(PNG)], {}, "messages[0].content[0]"),
    "a picture in the system": ([], {"system": [PNG]}, "system[0]"),
    "a file by id": (
        [user({"type": "image", "source": {"type": "file", "file_id": "f"}})],
        {},
        "messages[0].content[0].source",
    ),
    "a document by address": ([user(document(type="url", url="https://a"))], {}, "messages[0].content[0].source"),
    "a document in a result": (
        [user(result([document(type="file", file_id="f")]))],
        {},
        "messages[0].content[0].content[0].source",
    ),
    "citations": (
        [user({**document(type="text", media_type="text/plain", data="x"), "citations": {"enabled": True}})],
        {},
        "messages[0].content[0].citations",
    ),
    "a call by code": (
        [assistant({**CALL, "caller": {"type": "code_execution_20250825", "tool_id": "s"}})],
        {},
        "messages[0].content[0].caller",
    ),
    "a call's input": ([assistant({**CALL, "input": "x"})], {}, "messages[0].content[0].input"),
    "a result of nothing": ([user({"type": "tool_result"})], {}, "messages[0].content[0].tool_use_id"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_messages_translation_refuses_by_name_what_has_none(name: str) -> None:
    turns, fields, param = REFUSED[name]

    with pytest.raises(PenstockError) as error:
        body(*turns, **fields)

    assert error.value.kind.status == 400
    assert error.value.detail.param == param
    assert error.value.detail.message.startswith(f"{param}: ") or param == "fallbacks"


def test_messages_top_k_is_refused_where_openai_itself_answers() -> None:
    with pytest.raises(PenstockError) as error:
        body(top_k=5, spec=OWN)

    assert (error.value.code, error.value.detail.param) == ("unsupported_by_provider", "top_k")


def test_messages_count_is_refused_where_the_provider_cannot_count() -> None:
    count = read_count(b'{"model":"m","messages":[{"role":"user","content":"a"}]}').count("2023-06-01")

    with pytest.raises(PenstockError) as error:
        OpenAIAdapter().request(count, "gpt", SPEC, None)

    assert error.value.code == "unsupported_by_provider"
