"""The Anthropic Messages dialect's requests, version 2023-06-01.

System text is top level, `max_tokens` is required, tool results are user content.
"""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from penstock_contract.codec import UNREADABLE
from penstock_contract.errors import PenstockError
from penstock_contract.messages import ImagePart, Message, NamedToolChoice, RefusalPart, TextPart
from penstock_contract.requests import ChatOperation, Operation
from penstock_contract.route import ProviderSpec
from penstock_worker.providers.adapter import HttpRequest, ResponseParser
from penstock_worker.providers.anthropic_parser import MessageParser

API_VERSION = "2023-06-01"
DEFAULT_MAX_TOKENS = 4096


class AnthropicAdapter:
    provider_name = "anthropic"
    default_base_url = "https://api.anthropic.com/v1"

    def request(self, operation: Operation, model: str, spec: ProviderSpec, key: str | None) -> HttpRequest:
        del spec
        if not isinstance(operation, ChatOperation):
            raise PenstockError("unsupported_by_provider", "this provider has no embeddings")
        if operation.response_format is not None and operation.response_format.type != "text":
            raise PenstockError(
                "unsupported_by_provider", "this provider has no response_format", param="response_format"
            )
        headers = {"anthropic-version": API_VERSION}
        if key:
            headers["x-api-key"] = key
        return HttpRequest("/messages", headers, msgspec.json.encode(_body(operation, model)))

    def parser(self, operation: Operation) -> ResponseParser:
        del operation
        return MessageParser()


def _body(operation: ChatOperation, model: str) -> dict[str, Any]:
    system = [
        text for message in operation.messages if message.role in {"system", "developer"} for text in _texts(message)
    ]
    stop = operation.stop
    optional = {
        "system": "\n\n".join(system) or None,
        "temperature": min(operation.temperature, 1.0) if operation.temperature is not None else None,
        "top_p": operation.top_p,
        "stop_sequences": [stop] if isinstance(stop, str) else stop,
        "tools": _tools(operation),
        "tool_choice": _tool_choice(operation),
        "metadata": {"user_id": operation.user} if operation.user else None,
    }
    return {
        "model": model,
        "max_tokens": operation.max_tokens or DEFAULT_MAX_TOKENS,
        "messages": _messages(operation.messages),
        "stream": True,
        **{name: value for name, value in optional.items() if value is not None},
    }


def _messages(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Neighbours of the same role are joined: Anthropic wants the turns to alternate."""
    turns: list[dict[str, Any]] = []
    for message in messages:
        if message.role in {"system", "developer"}:
            continue
        role: Literal["user", "assistant"] = "assistant" if message.role == "assistant" else "user"
        content = _content(message)
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += content
        elif content:
            turns.append({"role": role, "content": content})
    return turns


def _content(message: Message) -> list[dict[str, Any]]:
    if message.role == "tool":
        result = {"type": "tool_result", "tool_use_id": message.tool_call_id, "content": "".join(_texts(message))}
        return [result]
    blocks: list[dict[str, Any]] = []
    if isinstance(message.content, str):
        if message.content:
            blocks.append({"type": "text", "text": message.content})
    else:
        for part in message.content or []:
            if isinstance(part, ImagePart):
                blocks.append({"type": "image", "source": _image_source(part.image_url.url)})
            else:
                blocks.append({"type": "text", "text": part.text if isinstance(part, TextPart) else part.refusal})
    if message.refusal:
        blocks.append({"type": "text", "text": message.refusal})
    calls = message.tool_calls or []
    return blocks + [
        {"type": "tool_use", "id": call.id, "name": call.function.name, "input": _arguments(call.function.arguments)}
        for call in calls
    ]


def _texts(message: Message) -> list[str]:
    if isinstance(message.content, str):
        return [message.content]
    texts = [part for part in message.content or [] if not isinstance(part, ImagePart)]
    return [part.refusal if isinstance(part, RefusalPart) else part.text for part in texts]


def _image_source(url: str) -> dict[str, str]:
    if not url.startswith("data:"):
        return {"type": "url", "url": url}
    media_type, mark, data = url[5:].partition(";base64,")
    if not mark:
        raise PenstockError("invalid_request", "an image's data: URL is not base64", param="messages")
    return {"type": "base64", "media_type": media_type, "data": data}


def _arguments(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text or "{}", type=dict[str, Any])
    except UNREADABLE as error:
        raise PenstockError(
            "invalid_request", "the arguments of a tool call are not a JSON object", param="messages"
        ) from error


def _tools(operation: ChatOperation) -> list[dict[str, Any]] | None:
    if not operation.tools:
        return None
    return [
        {
            "name": tool.function.name,
            "input_schema": tool.function.parameters or {"type": "object"},
            **({"description": tool.function.description} if tool.function.description else {}),
        }
        for tool in operation.tools
    ]


def _tool_choice(operation: ChatOperation) -> dict[str, Any] | None:
    choice = operation.tool_choice
    if not operation.tools or (choice is None and operation.parallel_tool_calls is None):
        return None
    if isinstance(choice, NamedToolChoice):
        form: dict[str, Any] = {"type": "tool", "name": choice.function.name}
    else:
        form = {"type": {"required": "any", "none": "none"}.get(choice or "auto", "auto")}
    if operation.parallel_tool_calls is False and form["type"] != "none":
        form["disable_parallel_tool_use"] = True
    return form
