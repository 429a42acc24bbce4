"""A body of `POST /api/chat`: of the AI SDK's UI messages, or of the simple dialect, by its shape.

UI messages become an OpenAI chat completion's body, which `chat_body` checks and measures like a client's own: from
there on both are the same request. Pure; raises `PenstockError` `invalid_request` with the path of the field.
"""

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from penstock_contract.ai_sdk.ui_conversation import conversation
from penstock_contract.ai_sdk.ui_message import UIChatRequest
from penstock_contract.codec import UNREADABLE
from penstock_contract.request.chat_body import read_chat
from penstock_contract.request.json_body import Fields, decoded, fields_of, invalid, without_mark
from penstock_contract.request.operations import ChatOperation, ChatRequest

OWN: Final = frozenset(("id", "messages", "trigger", "messageId", "system", "stream"))
"""Fields of the page, which no provider is sent under these names."""
ANY_MODEL: Final = Raw(b'"default"')
"""In the body of a request without a model, for the check of it: the worker writes the route's own name there."""


class UIChatBody(Struct, frozen=True):
    """`answer_id` is the id of the message that the answer continues, None for a new message.

    `fields` are the chat completion's names at the top level, `ignored` what is in the messages and not sent.
    """

    chat_id: str | None
    model: str | None
    operation: ChatOperation
    fields: tuple[str, ...]
    answer_id: str | None
    ignored: tuple[str, ...]


class ApiChatBody(Struct, frozen=True):
    """Exactly one of the two: msgspec has no union of Structs without tags."""

    simple: ChatRequest | None = None
    ui: UIChatBody | None = None


class _Shape(Struct, gc=False):
    parts: Raw | None = None


_shapes = msgspec.json.Decoder(list[_Shape]).decode
_simple = msgspec.json.Decoder(ChatRequest)
_request = msgspec.json.Decoder(UIChatRequest)
_tools = msgspec.json.Decoder(dict[str, dict[str, Raw]])
_encode = msgspec.json.Encoder().encode
SIMPLE_FIELDS: Final = frozenset(field.encode_name for field in msgspec.structs.fields(ChatRequest))


def read_api_chat(body: bytes) -> ApiChatBody:
    """Read a body as UI messages if it has `trigger` or a message has `parts`, else as the simple dialect."""
    body = without_mark(body)
    fields = fields_of(body)
    if _has_parts(fields):
        return ApiChatBody(ui=read_ui_chat(body, fields))
    for name in fields:
        if name not in SIMPLE_FIELDS:
            raise invalid(
                f"unknown field; this endpoint has {', '.join(sorted(SIMPLE_FIELDS))}", ascii(name[:64])[1:-1]
            )
    return ApiChatBody(simple=decoded(_simple, body, ""))


def read_ui_chat(body: bytes, fields: Fields) -> UIChatBody:
    """Make a chat completion of UI messages; fields that are not the page's are that completion's."""
    if bytes(fields.get("stream", b"null")) == b"false":
        raise invalid("this endpoint always streams; leave the field out, or use /v1/chat/completions", "stream")
    request: UIChatRequest = decoded(_request, body, "")
    made = conversation(request.messages)
    messages: list[dict[str, Any]] = made.messages
    if request.system:
        messages = [{"role": "system", "content": request.system}, *messages]
    if not messages:
        raise invalid("no message has a text, a file or a tool's output", "messages")
    passed: dict[str, Any] = {name: raw for name, raw in fields.items() if name not in OWN}
    if request.model is None:
        passed["model"] = ANY_MODEL
    if isinstance(request.tools, dict):
        passed["tools"] = _list_of_tools(fields["tools"])
    passed["messages"] = messages
    chat = read_chat(_encode(passed))
    last = request.messages[-1]
    return UIChatBody(
        request.id,
        request.model,
        chat.operation,
        chat.fields,
        last.id if last.role == "assistant" else None,
        made.ignored,
    )


def _has_parts(fields: Fields) -> bool:
    if "trigger" in fields:
        return True
    try:
        return any(shape.parts is not None for shape in _shapes(fields.get("messages", b"[]")))
    except UNREADABLE:
        return False


def _list_of_tools(raw: Raw) -> list[dict[str, Any]]:
    """OpenAI's list of an object of names, as assistant-ui and `toolset` helpers send it."""
    tools: dict[str, Fields] = decoded(_tools, raw, "tools")
    made: list[dict[str, Any]] = []
    for name, tool in tools.items():
        function: dict[str, Any] = {"name": name}
        for ours, theirs in (("description", ("description",)), ("parameters", ("parameters", "inputSchema"))):
            value = next((tool[one] for one in theirs if one in tool), None)
            if value is not None:
                function[ours] = value
        made.append({"type": "function", "function": function})
    return made
