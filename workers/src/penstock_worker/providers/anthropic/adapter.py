"""The Anthropic Messages dialect's requests, versions 2023-06-01 and 2026-10-21.

System text is top level, `max_tokens` is required, tool results are user content. What a field becomes is the table in
`penstock_contract.request.chat_fields`.
"""

from typing import Any, Final

import msgspec
from msgspec import Raw

from penstock_contract.codec import UNREADABLE
from penstock_contract.errors import PenstockError
from penstock_contract.request.chat_fields import refusal, treatment
from penstock_contract.request.json_body import Fields, decoded
from penstock_contract.request.operations import ChatOperation, CountTokensOperation, MessagesOperation, Operation
from penstock_contract.route.provider import ProviderSpec
from penstock_worker.providers.adapter import HttpRequest, ResponseParser, authorization
from penstock_worker.providers.anthropic.count_parser import CountParser
from penstock_worker.providers.anthropic.native_parser import NativeParser
from penstock_worker.providers.anthropic.parser import MessageParser
from penstock_worker.providers.anthropic.passed_request import passed_request
from penstock_worker.providers.anthropic.request import ClientChatRequest, Format, Json, ToolChoice
from penstock_worker.providers.anthropic.strict_schema import strict_schema
from penstock_worker.providers.anthropic.turns import system_of, turns_of, unsupported

WITHOUT_SAMPLING: Final = "2026-10-21"
"""The first version that refuses `temperature`, `top_p` and `top_k`, even with their default values."""
EFFORTS: Final = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "max", "max": "max"}
JSON_ONLY: Final = "Answer with one JSON object and nothing else."
"""Schema for `response_format: json_object`: Anthropic has a format for schemas only."""

_fields = msgspec.json.Decoder(Fields).decode
_request = msgspec.json.Decoder(ClientChatRequest)


class AnthropicAdapter:
    provider_name = "anthropic"
    default_base_url = "https://api.anthropic.com/v1"

    def request(self, operation: Operation, model: str, spec: ProviderSpec, key: str | None) -> HttpRequest:
        if isinstance(operation, MessagesOperation | CountTokensOperation):
            return passed_request(operation, model, spec, key)
        if not isinstance(operation, ChatOperation):
            raise PenstockError("unsupported_by_provider", "this provider has no embeddings")
        headers = {"anthropic-version": spec.anthropic_version, **authorization(spec, key)}
        passed = _passed(operation.body, spec)
        request = _read(operation.body)
        for name in spec.drop:
            if name in ClientChatRequest.__struct_fields__ and name != "messages":
                setattr(request, name, None)
        body = {**passed, **_body(request, spec), "model": model, "stream": True}
        return HttpRequest("/messages", headers, msgspec.json.encode(body))

    def parser(self, operation: Operation) -> ResponseParser:
        match operation:
            case MessagesOperation():
                return NativeParser()
            case CountTokensOperation():
                return CountParser()
            case _:
                return MessageParser()


def _read(body: bytes) -> ClientChatRequest:
    """The request in the types that can be translated; another provider may accept other types."""
    try:
        request: ClientChatRequest = decoded(_request, body, "")
    except PenstockError as error:
        raise PenstockError("unsupported_by_provider", error.detail.message, param=error.detail.param) from None
    return request


def _passed(body: bytes, spec: ProviderSpec) -> dict[str, Raw]:
    """Fields that the route allows by name. Raises for a field that this provider lacks."""
    try:
        fields = _fields(body)
    except UNREADABLE:
        raise PenstockError("invalid_request", "the request's body could not be read") from None
    passed: dict[str, Raw] = {}
    for name, raw in fields.items():
        if bytes(memoryview(raw)[:4]) in {b"null", b"[]"}:
            continue
        if name in spec.extra_fields.allow:
            passed[name] = raw
        elif treatment(name, spec) == "refused" and not _is_default(name, raw):
            raise refusal(name, spec) or unsupported("such field", name)
    return passed


def _is_default(name: str, raw: Raw) -> bool:
    """`modalities: ["text"]` is what every model gives, and `logprobs: false` too."""
    text = bytes(raw)
    return text in {b"false", b"0"} or (name == "modalities" and text.translate(None, b" \n\r\t") == b'["text"]')


def _body(request: ClientChatRequest, spec: ProviderSpec) -> dict[str, Any]:
    turns, system = turns_of(request.messages), system_of(request.messages)
    if request.response_format is not None and request.response_format.type == "json_object":
        system = _json_only(request.response_format, system)
    if not turns and system is not None:
        # Anthropic requires a user's turn, and some clients put all into the system message.
        turns = [{"role": "user", "content": [{"type": "text", "text": system}] if isinstance(system, str) else system}]
        system = None
    if not turns:
        raise PenstockError("invalid_request", "messages: there is no text in them", param="messages")
    limit = request.max_completion_tokens or request.max_tokens or -1
    optional = {
        "system": system,
        **_sampling(request, spec),
        "stop_sequences": _stops(request.stop),
        "tools": _tools(request),
        "tool_choice": _tool_choice(request),
        "metadata": {"user_id": request.user} if request.user else None,
        "thinking": _thinking(request),
        "output_config": _output_config(request),
        "cache_control": request.cache_control,
        "context_management": request.context_management,
    }
    return {
        "max_tokens": int(limit) if limit > 0 else spec.default_max_tokens,
        "messages": turns,
        **{name: value for name, value in optional.items() if value is not None},
    }


def _json_only(form: Format, system: str | list[Json] | None) -> str | list[Json] | None:
    if form.schema is not None:
        return system
    if isinstance(system, list):
        return [*system, {"type": "text", "text": JSON_ONLY}]
    return f"{system}\n\n{JSON_ONLY}" if system else JSON_ONLY


def _sampling(request: ClientChatRequest, spec: ProviderSpec) -> dict[str, float | None]:
    """Anthropic's `temperature` ends at 1. Newer models refuse it with `top_p`: a `top_p` of 1 is left out."""
    temperature, top_p = request.temperature, request.top_p
    if temperature is not None and temperature > 1:
        raise PenstockError(
            "unsupported_by_provider", "temperature: this provider takes at most 1", param="temperature"
        )
    if top_p == 1:
        top_p = None
    if spec.anthropic_version == WITHOUT_SAMPLING:
        if temperature == 1:
            temperature = None
        for name, value in (("temperature", temperature), ("top_p", top_p), ("top_k", request.top_k)):
            if value is not None:
                raise unsupported(f"{name} from version {WITHOUT_SAMPLING} on", name)
    top_k = None if request.top_k is None else int(request.top_k)
    return {"temperature": temperature, "top_p": top_p, "top_k": top_k}


def _stops(stop: str | list[str] | None) -> list[str] | None:
    """Without blank sequences, which Anthropic refuses."""
    stops = [stop] if isinstance(stop, str) else stop or []
    return [one for one in stops if one.strip()] or None


def _thinking(request: ClientChatRequest) -> Json | None:
    if request.thinking is not None or request.reasoning_effort is None:
        return request.thinking
    if request.reasoning_effort == "none":
        return {"type": "disabled"}
    # Thinking goes with neither a sampling of the client's own nor a tool that must be called.
    chosen = any(value is not None for value in (request.temperature, request.top_p, request.top_k))
    forced = isinstance(request.tool_choice, ToolChoice) or request.tool_choice in {"required", "any"}
    return None if chosen or forced else {"type": "adaptive"}


def _output_config(request: ClientChatRequest) -> Json | None:
    config: Json = {}
    effort = request.reasoning_effort
    if effort is not None and effort != "none":
        if effort not in EFFORTS:
            raise unsupported(f"reasoning_effort {effort[:32]!r}", "reasoning_effort")
        config["effort"] = EFFORTS[effort]
    if (form := request.response_format) is not None and (schema := _schema(form)) is not None:
        config["format"] = {"type": "json_schema", "schema": strict_schema(schema)}
    return {**config, **(request.output_config or {})} or None


def _schema(form: Format) -> Json | None:
    match form.type:
        case "text":
            return None
        case "json_object":
            return form.schema
        case "json_schema" if form.json_schema is not None and form.json_schema.schema is not None:
            return form.json_schema.schema
        case "json_schema":
            raise PenstockError(
                "invalid_request",
                "response_format.json_schema.schema: this field is required",
                param="response_format.json_schema.schema",
            )
        case _:
            raise unsupported(f"response_format of type {form.type[:64]}", "response_format")


def _tools(request: ClientChatRequest) -> list[Json] | None:
    tools: list[Json] = []
    for index, tool in enumerate(request.tools or ()):
        if tool.type != "function" or tool.function is None:
            raise unsupported(f"tools of type {tool.type[:64]}", f"tools[{index}]")
        definition = tool.function
        optional = {
            "description": definition.description or None,
            "strict": definition.strict or None,
            "cache_control": tool.cache_control or definition.cache_control,
        }
        tools.append(
            {
                "name": definition.name,
                "input_schema": {"type": "object", **(definition.parameters or {})},
                **{name: value for name, value in optional.items() if value is not None},
            }
        )
    return tools or None


def _tool_choice(request: ClientChatRequest) -> Json | None:
    choice = request.tool_choice
    if isinstance(choice, ToolChoice) and (choice.type != "function" or choice.function is None):
        raise unsupported(f"tool_choice of type {choice.type[:64]}", "tool_choice")
    if not request.tools or (choice is None and request.parallel_tool_calls is None):
        return None
    if isinstance(choice, ToolChoice):
        assert choice.function is not None
        form: Json = {"type": "tool", "name": choice.function.name}
    else:
        form = {"type": {"required": "any", "any": "any", "none": "none"}.get(choice or "auto", "auto")}
    if request.parallel_tool_calls is False and form["type"] != "none":
        form["disable_parallel_tool_use"] = True
    return form
