"""Cloudflare Workers AI's own API: the model's name is in the path, and the body is OpenAI's without it.

The base URL ends in `/accounts/<account>/ai`. Its OpenAI-compatible API (`…/ai/v1`) is a provider of type `OpenAI`.
"""

from typing import Any
from urllib.parse import quote

import msgspec

from penstock_contract.errors import PenstockError
from penstock_contract.request.operations import EmbeddingsOperation, Operation
from penstock_contract.route.provider import ProviderSpec
from penstock_worker.providers.adapter import HttpRequest, ResponseParser
from penstock_worker.providers.openai.adapter import OpenAIAdapter
from penstock_worker.providers.workers_ai.parser import WorkersAIChatParser, WorkersAIEmbeddingsParser


class WorkersAIAdapter:
    provider_name = "cloudflare"
    default_base_url = ""
    """Empty: the address contains the account, and a route without it is invalid."""

    def __init__(self) -> None:
        self._openai = OpenAIAdapter()

    def request(self, operation: Operation, model: str, spec: ProviderSpec, key: str | None) -> HttpRequest:
        plain = self._openai.request(operation, model, spec, key)
        fields = msgspec.json.decode(plain.body, type=dict[str, msgspec.Raw])
        for name in ("model", "stream_options"):
            fields.pop(name, None)
        if not isinstance(operation, EmbeddingsOperation):
            if "response_format" in fields:
                fields["response_format"] = msgspec.Raw(_response_format(fields["response_format"]))
        else:
            fields["text"] = _texts(fields.pop("input"))
        # `@` and `/` belong to the names: @cf/meta/llama-3.1-8b-instruct.
        return HttpRequest(f"/run/{quote(model, safe='@/')}", plain.headers, msgspec.json.encode(fields))

    def parser(self, operation: Operation) -> ResponseParser:
        return WorkersAIEmbeddingsParser() if isinstance(operation, EmbeddingsOperation) else WorkersAIChatParser()


def _response_format(raw: msgspec.Raw) -> bytes:
    """Has the schema itself under `json_schema`, where OpenAI has it one level deeper."""
    given: Any = msgspec.json.decode(raw)
    schema = given.get("json_schema")
    if isinstance(schema, dict) and "schema" in schema:
        given = {**given, "json_schema": schema["schema"]}
    return msgspec.json.encode(given)


def _texts(raw: msgspec.Raw) -> msgspec.Raw:
    """One text or a list of them. Raises for token numbers, which are of another model's vocabulary."""
    try:
        msgspec.json.decode(raw, type=str | list[str])
    except msgspec.ValidationError:
        raise PenstockError(
            "unsupported_by_provider", "input: this provider embeds texts, not token numbers", param="input"
        ) from None
    return raw
