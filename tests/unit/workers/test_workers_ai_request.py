"""Requests to Cloudflare Workers AI and to Azure OpenAI: path, headers and body."""

from typing import Any

import msgspec
import pytest
from unit.support.operations import embeddings

from penstock_contract.errors import PenstockError
from penstock_contract.request.chat_body import read_chat
from penstock_contract.route.provider import ProviderSpec
from penstock_worker.providers.adapter import HttpRequest
from penstock_worker.providers.openai.azure import AzureOpenAIAdapter
from penstock_worker.providers.workers_ai.adapter import WorkersAIAdapter

LLAMA = "@cf/meta/llama-3.1-8b-instruct"


def chat(
    adapter: AzureOpenAIAdapter | WorkersAIAdapter, model: str, spec: dict[str, Any], **fields: Any
) -> HttpRequest:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **fields}
    operation = read_chat(msgspec.json.encode(body)).operation
    provider = msgspec.convert({"name": "p", "baseURL": "https://a.example", **spec}, ProviderSpec)
    return adapter.request(operation, model, provider, "k")


def test_workers_ai_request_has_the_model_in_its_path_and_not_in_its_body() -> None:
    request = chat(WorkersAIAdapter(), LLAMA, {"type": "CloudflareWorkersAI"}, max_tokens=5)
    assert request.path == f"/run/{LLAMA}"
    assert request.headers["authorization"] == "Bearer k"
    assert msgspec.json.decode(request.body) == {
        "messages": [{"role": "user", "content": "hi"}],
        "max_tokens": 5,
        "stream": True,
    }


def test_workers_ai_request_has_the_schema_where_cloudflare_reads_it() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    format_ = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    request = chat(WorkersAIAdapter(), LLAMA, {"type": "CloudflareWorkersAI"}, response_format=format_)
    assert msgspec.json.decode(request.body)["response_format"] == {"type": "json_schema", "json_schema": schema}


def test_workers_ai_request_escapes_what_would_leave_the_path() -> None:
    request = chat(WorkersAIAdapter(), "@cf/a?b#c d", {"type": "CloudflareWorkersAI"})
    assert request.path == "/run/@cf/a%3Fb%23c%20d"


def test_workers_ai_request_embeds_texts() -> None:
    provider = msgspec.convert(
        {"name": "p", "type": "CloudflareWorkersAI", "baseURL": "https://a.example"}, ProviderSpec
    )
    request = WorkersAIAdapter().request(embeddings(["a", "b"]), "@cf/baai/bge", provider, "k")
    assert msgspec.json.decode(request.body) == {"text": ["a", "b"]}


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({}, "/chat/completions"),
        ({"apiVersion": "2024-10-21"}, "/deployments/my%2Fdep/chat/completions?api-version=2024-10-21"),
    ],
)
def test_azure_request_has_its_own_path_and_key_header(spec: dict[str, Any], path: str) -> None:
    request = chat(AzureOpenAIAdapter(), "my/dep", {"type": "AzureOpenAI", **spec})
    assert request.path == path
    assert request.headers == {"api-key": "k"}
    assert msgspec.json.decode(request.body)["model"] == "my/dep"


def test_workers_ai_request_refuses_token_numbers() -> None:
    provider = msgspec.convert(
        {"name": "p", "type": "CloudflareWorkersAI", "baseURL": "https://a.example"}, ProviderSpec
    )
    with pytest.raises(PenstockError) as refused:
        WorkersAIAdapter().request(embeddings([[1, 2]]), "@cf/baai/bge", provider, "k")
    assert (refused.value.code, refused.value.detail.param) == ("unsupported_by_provider", "input")
