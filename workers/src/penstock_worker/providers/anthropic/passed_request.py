"""A Messages request for a provider of the same API: as the client sent it, but for the model and the route's rules."""

from typing import Any, Final

import msgspec
from msgspec import Raw

from penstock_contract.anthropic.message_fields import MESSAGES_KNOWN
from penstock_contract.anthropic.nested_fields import OTHERS_SIGNATURE, is_of_others
from penstock_contract.codec import UNREADABLE
from penstock_contract.errors import PenstockError
from penstock_contract.request.chat_fields import refusal
from penstock_contract.request.json_body import Fields
from penstock_contract.request.operations import CountTokensOperation, MessagesOperation
from penstock_contract.route.provider import ProviderSpec
from penstock_worker.providers.adapter import HttpRequest, authorization

BETA: Final = "anthropic-beta"

_fields = msgspec.json.Decoder(Fields).decode
_messages = msgspec.json.Decoder(list[Fields]).decode


def passed_request(
    operation: MessagesOperation | CountTokensOperation, model: str, spec: ProviderSpec, key: str | None
) -> HttpRequest:
    """Raises for a field that the route refuses."""
    counts = isinstance(operation, CountTokensOperation)
    try:
        fields = _fields(operation.body)
        for name in list(fields):
            if name in spec.drop and name not in spec.extra_fields.allow:
                del fields[name]
            elif (error := refusal(name, spec, known=MESSAGES_KNOWN)) is not None and bytes(fields[name]) != b"null":
                raise error
        if OTHERS_SIGNATURE.encode() in operation.body:
            fields["messages"] = Raw(msgspec.json.encode(_without_others(_messages(fields["messages"]))))
    except UNREADABLE:
        raise PenstockError("invalid_request", "the request's body could not be read") from None
    headers = {"anthropic-version": operation.version, **authorization(spec, key)}
    if betas := [*_betas_of(spec), *operation.betas]:
        headers[BETA] = ",".join(dict.fromkeys(betas))
    ours: dict[str, Any] = {"model": model} if counts else {"model": model, "stream": True}
    body = {**{name: value for name, value in fields.items() if name not in ours}, **ours}
    if counts:
        body.pop("stream", None)
    return HttpRequest("/messages/count_tokens" if counts else "/messages", headers, msgspec.json.encode(body))


def _betas_of(spec: ProviderSpec) -> list[str]:
    """Those that the route sets for every request: the client's are added to them."""
    values = [one.value or "" for one in spec.headers if one.name.lower() == BETA]
    return [beta.strip() for value in values for beta in value.split(",") if beta.strip()]


def _without_others(messages: list[Fields]) -> list[dict[str, Any]]:
    """Without thinking that another API's provider sent: its signature is not Anthropic's, which refuses it."""
    made: list[dict[str, Any]] = []
    for message in messages:
        content = message.get("content")
        if content is None or bytes(memoryview(content)[:1]) != b"[":
            made.append(dict(message))
            continue
        blocks = [block for block in _messages(content) if not is_of_others(block)]
        if blocks:
            made.append({**message, "content": blocks})
    return made
