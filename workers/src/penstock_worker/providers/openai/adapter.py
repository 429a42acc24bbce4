"""The OpenAI dialect's requests: chat completions and embeddings, for OpenAI and all compatible servers.

The client's JSON is read at its top level only. What is nested, and each field that is not ours, keeps its bytes.
"""

from typing import Final, cast

import msgspec
from msgspec import Raw

from penstock_contract.codec import UNREADABLE
from penstock_contract.errors import PenstockError
from penstock_contract.request.chat_fields import (
    ANTHROPICS_OWN,
    EMBEDDINGS_KNOWN,
    KNOWN,
    REFUSED_BY_ALL,
    refusal,
    treatment,
)
from penstock_contract.request.json_body import Fields
from penstock_contract.request.nested_fields import FOREIGN, is_openais_own
from penstock_contract.request.operations import (
    ChatOperation,
    CountTokensOperation,
    EmbeddingsOperation,
    MessagesOperation,
    Operation,
)
from penstock_contract.route.provider import ProviderSpec
from penstock_worker.providers.adapter import HttpRequest, ResponseParser, authorization
from penstock_worker.providers.messages_to_chat.chat_request import chat_of
from penstock_worker.providers.openai.choices_parser import ChoicesParser
from penstock_worker.providers.openai.embeddings_parser import EmbeddingsParser
from penstock_worker.providers.openai.parser import ChatParser

LIMITS: Final = ("max_tokens", "max_completion_tokens")
NO_LIMIT: Final = b"-1"
INTEGERS: Final = (*LIMITS, "seed", "n", "dimensions")

_fields = msgspec.json.Decoder(Fields).decode
_encode = msgspec.json.Encoder().encode
_messages = msgspec.json.Decoder(list[Fields]).decode
_parts = msgspec.json.Decoder(list[Fields]).decode


class OpenAIAdapter:
    provider_name = "openai"
    default_base_url = "https://api.openai.com/v1"

    def request(self, operation: Operation, model: str, spec: ProviderSpec, key: str | None) -> HttpRequest:
        if isinstance(operation, MessagesOperation):
            operation = chat_of(operation, spec)
        if isinstance(operation, CountTokensOperation):
            raise PenstockError("unsupported_by_provider", "this provider does not count the tokens of a request")
        headers = authorization(spec, key)
        chat = isinstance(operation, ChatOperation)
        try:
            fields = _allowed(_fields(operation.body), spec, KNOWN if chat else EMBEDDINGS_KNOWN)
            for name in INTEGERS:
                _whole(fields, name)
            if not chat:
                # The parser reads both forms; every server accepts numbers.
                fields.pop("encoding_format", None)
                return HttpRequest("/embeddings", headers, _with_ours(fields, {"model": model}))
            _limit(fields, spec)
            if is_openais_own(spec) and any(name.encode() in operation.body for name in FOREIGN):
                for name in ("messages", "tools"):
                    if name in fields and bytes(fields[name]) != b"null":
                        fields[name] = Raw(_encode([_without_foreign(one) for one in _messages(fields[name])]))
            ours = {"model": model, "stream": True, "stream_options": _stream_options(fields)}
            return HttpRequest("/chat/completions", headers, _with_ours(fields, ours))
        except UNREADABLE:
            raise PenstockError("invalid_request", "the request's body could not be read") from None

    def parser(self, operation: Operation) -> ResponseParser:
        if isinstance(operation, EmbeddingsOperation):
            return EmbeddingsParser()
        choices = operation.choices if isinstance(operation, ChatOperation) else 1
        return ChatParser() if choices == 1 else ChoicesParser(choices)


def _allowed(fields: Fields, spec: ProviderSpec, known: frozenset[str]) -> Fields:
    """The fields that the provider is sent. Raises for a field that the route refuses for this provider."""
    looked_at = list(fields) if spec.drop else [name for name in fields if name not in known or name in ANTHROPICS_OWN]
    for name in looked_at:
        match treatment(name, spec, known=known):
            case "ignored":
                del fields[name]
            case "refused" if name not in REFUSED_BY_ALL and (error := refusal(name, spec, known=known)) is not None:
                raise error
    return fields


def _limit(fields: Fields, spec: ProviderSpec) -> None:
    """Keep the client's name of the bound, unless the route configures the provider's only name; -1 is no bound."""
    for name in LIMITS:
        if name in fields and bytes(fields[name]) == NO_LIMIT:
            del fields[name]
    wanted = spec.max_tokens_field
    if wanted is not None and any(name in fields for name in LIMITS):
        old, new = fields.pop("max_tokens", None), fields.pop("max_completion_tokens", None)
        fields[wanted] = new if new is not None else cast("Raw", old)


def _with_ours(fields: Fields, ours: dict[str, object]) -> bytes:
    """The fields of Penstock come last: a server that matches names without case takes the last one."""
    return _encode({**{name: value for name, value in fields.items() if name not in ours}, **ours})


def _stream_options(fields: Fields) -> dict[str, object]:
    """Always request the usage: without it the cost of an answer is unknown. The gateway withholds it."""
    given = fields.get("stream_options")
    options: dict[str, object] = {}
    if given is not None and bytes(given) != b"null":
        options.update(_fields(given))
        options.pop("include_usage", None)
    options["include_usage"] = True
    return options


def _whole(fields: Fields, name: str) -> None:
    """`64.0` becomes `64`: some languages serialize integers as `64.0`, which many servers reject."""
    raw = fields.get(name)
    if raw is not None and b"." in (text := bytes(raw)):
        number, _, zeros = text.partition(b".")
        if zeros.strip(b"0") == b"" and number.lstrip(b"-").isdigit():
            fields[name] = Raw(number)


def _without_foreign(message: Fields) -> dict[str, object]:
    """A message or a tool as OpenAI's own hosts accept it."""
    kept: dict[str, object] = {name: value for name, value in message.items() if name not in FOREIGN}
    for name in ("content", "tool_calls"):
        raw = message.get(name)
        if raw is not None and bytes(raw).startswith(b"["):
            kept[name] = [{key: value for key, value in part.items() if key not in FOREIGN} for part in _parts(raw)]
    function = message.get("function")
    if function is not None and bytes(function).startswith(b"{"):
        kept["function"] = {key: value for key, value in _fields(function).items() if key not in FOREIGN}
    return kept
