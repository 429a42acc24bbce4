"""A Messages request as a chat completion, for a provider of OpenAI's API.

What a field becomes is the table in `penstock_contract.anthropic.message_fields`. Pure.
"""

from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from penstock_contract.anthropic.message_fields import MESSAGES_KNOWN
from penstock_contract.codec import UNREADABLE
from penstock_contract.errors import PenstockError
from penstock_contract.request.chat_fields import refusal
from penstock_contract.request.json_body import Fields, decoded
from penstock_contract.request.nested_fields import is_openais_own
from penstock_contract.request.operations import ChatOperation, MessagesOperation
from penstock_contract.route.provider import ProviderSpec
from penstock_worker.providers.messages_to_chat.blocks import Json, unsupported
from penstock_worker.providers.messages_to_chat.tools import choice_of, effort_of, format_of, tools_of
from penstock_worker.providers.messages_to_chat.turns import messages_of

NOTHING: Final = frozenset((b"null", b"[]", b"{}"))

_fields = msgspec.json.Decoder(Fields).decode


class _Request(Struct):
    messages: list[Json]
    max_tokens: float | None = None
    system: Any = None
    stop_sequences: list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: float | None = None
    tools: list[Json] | None = None
    tool_choice: Json | None = None
    thinking: Json | None = None
    output_config: Json | None = None
    output_format: Json | None = None
    metadata: Json | None = None


_request = msgspec.json.Decoder(_Request)


def chat_of(operation: MessagesOperation, spec: ProviderSpec) -> ChatOperation:
    """The translated request. Raises for a field, block or tool that the provider's API lacks."""
    passed, dropped = _passed(operation.body, spec)
    try:
        request: _Request = decoded(_request, operation.body, "")
    except PenstockError as error:
        raise PenstockError("unsupported_by_provider", error.detail.message, param=error.detail.param) from None
    for name in dropped:
        if name in _Request.__struct_fields__ and name != "messages":
            setattr(request, name, None)
    own = _body(request, "max_completion_tokens" if is_openais_own(spec) else "max_tokens")
    body = {**passed, **{name: value for name, value in own.items() if value is not UNSET}}
    return ChatOperation(body=msgspec.json.encode(body), input_tokens=operation.input_tokens)


def _passed(body: bytes, spec: ProviderSpec) -> tuple[dict[str, Raw], list[str]]:
    """Fields that the route allows by name, and those that it drops. Raises for a field that the provider lacks."""
    try:
        fields = _fields(body)
    except UNREADABLE:
        raise PenstockError("invalid_request", "the request's body could not be read") from None
    for name, raw in fields.items():
        if name in spec.extra_fields.allow or bytes(memoryview(raw)[:4]) in NOTHING:
            continue
        if (error := refusal(name, spec, known=MESSAGES_KNOWN)) is not None:
            raise error
    return {name: fields[name] for name in spec.extra_fields.allow if name in fields}, [
        name for name in fields if name in spec.drop
    ]


def _body(request: _Request, limit: str) -> dict[str, Any | UnsetType]:
    """`limit` is the name of the bound of tokens: OpenAI's own reasoning models accept only the newer one."""
    if request.max_tokens == 0:
        raise unsupported("answer of 0 tokens", "max_tokens")
    output = request.output_format or (request.output_config or {}).get("format")
    where = "output_format" if request.output_format else "output_config.format"
    user = (request.metadata or {}).get("user_id")
    return {
        "messages": messages_of(request.system, request.messages),
        limit: UNSET if request.max_tokens is None else int(request.max_tokens),
        "stop": request.stop_sequences or UNSET,
        "temperature": _given(request.temperature),
        "top_p": _given(request.top_p),
        "top_k": UNSET if request.top_k is None else int(request.top_k),
        "tools": tools_of(request.tools) if request.tools else UNSET,
        **(choice_of(request.tool_choice) if request.tool_choice and request.tools else {}),
        "reasoning_effort": _given(effort_of(request.thinking, request.output_config)),
        "response_format": format_of(output, where) if isinstance(output, dict) and output else UNSET,
        "user": user if isinstance(user, str) and user else UNSET,
    }


def _given(value: Any) -> Any | UnsetType:
    return UNSET if value is None else value
