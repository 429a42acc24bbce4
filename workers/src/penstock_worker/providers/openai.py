"""The OpenAI dialect's requests: chat completions and embeddings, as OpenAI and all compatible servers take them."""

from typing import Any
from urllib.parse import urlsplit

import msgspec

from penstock_contract.requests import ChatOperation, EmbeddingsOperation, Operation
from penstock_contract.route import ProviderSpec
from penstock_worker.providers.adapter import HttpRequest, ResponseParser
from penstock_worker.providers.embeddings_parser import EmbeddingsParser
from penstock_worker.providers.openai_parser import ChatParser

OPENAI_HOSTS = ("api.openai.com", ".openai.azure.com")
"""Their reasoning models refuse `max_tokens`; many compatible servers know nothing else. And they never say
`reasoning_content`: what a client has of it is another provider's."""


class OpenAIAdapter:
    provider_name = "openai"
    default_base_url = "https://api.openai.com/v1"

    def request(self, operation: Operation, model: str, spec: ProviderSpec, key: str | None) -> HttpRequest:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        body: dict[str, Any] = {"model": model, **msgspec.to_builtins(operation)}
        del body["type"]
        # First, so that nothing of ours can be overridden by a field that we do not know.
        body = {**body.pop("extra", {}), **body}
        if isinstance(operation, EmbeddingsOperation):
            return HttpRequest("/embeddings", headers, msgspec.json.encode(body))
        host = urlsplit(spec.base_url or self.default_base_url).hostname or ""
        if host.endswith(OPENAI_HOSTS):
            if operation.max_tokens is not None:
                body["max_completion_tokens"] = body.pop("max_tokens")
            for message in body["messages"]:
                message.pop("reasoning_content", None)
        body["stream"] = True
        # Forced: without it nobody can say what the answer cost. Withheld from clients that did not ask.
        body["stream_options"] = {"include_usage": True}
        return HttpRequest("/chat/completions", headers, msgspec.json.encode(body))

    def parser(self, operation: Operation) -> ResponseParser:
        return ChatParser() if isinstance(operation, ChatOperation) else EmbeddingsParser()
