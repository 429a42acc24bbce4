"""A body of the Responses API, checked, and the chat completion that it becomes.

The items are translated when the body is read, so that an error names a place in them. A request that continues an
earlier response is translated again, behind the items of that one. Pure; raises `invalid_request`.
"""

from typing import Any, Final

import msgspec
from msgspec import Struct

from penstock_contract.openai_responses.input_items import Item, chat_messages, items_of
from penstock_contract.openai_responses.names import responses_errors
from penstock_contract.openai_responses.refusals import ENCRYPTED, REFUSED, check_fields
from penstock_contract.openai_responses.request import ResponseRequest
from penstock_contract.openai_responses.tools import chat_tool_choice, chat_tools
from penstock_contract.request.chat_body import SCHEMAS_BYTES_MAX, ChatBody, read_chat
from penstock_contract.request.json_body import Fields, decoded, fields_of, invalid, without_mark

OWN: Final = frozenset(field.encode_name for field in msgspec.structs.fields(ResponseRequest))
PASSED: Final = (
    "model", "parallel_tool_calls", "temperature", "top_p", "service_tier", "user", "safety_identifier",
    "prompt_cache_key", "prompt_cache_retention",
)  # fmt: skip
"""Fields of a chat completion by the same name."""

_decode = msgspec.json.Decoder(ResponseRequest)
_encode = msgspec.json.Encoder().encode


class ResponseBody(Struct, frozen=True):
    """`chat` is what a request without an earlier response sends; `ignored` are fields that have no effect here."""

    request: ResponseRequest
    items: list[Item]
    chat: ChatBody
    chat_fields: dict[str, Any]
    ignored: tuple[str, ...]

    @property
    def encrypted(self) -> bool:
        """True if reasoning items have what a provider must get back."""
        return ENCRYPTED in (self.request.include or ())

    def after(self, known: list[Item]) -> ChatBody:
        """The chat completion behind the items of an earlier response."""
        return _chat(self.chat_fields, self.request.instructions, chat_messages(self.items, known))


def read_response(body: bytes) -> ResponseBody:
    """Check a client's body and make the chat completion of it."""
    body = without_mark(body)
    fields = fields_of(body)
    if "model" not in fields:
        raise invalid("this field is required", "model")
    for name in ("tools", "text"):
        if name in fields and len(memoryview(fields[name])) > SCHEMAS_BYTES_MAX:
            raise invalid(f"larger than {SCHEMAS_BYTES_MAX} bytes", name)
    request: ResponseRequest = decoded(_decode, body, "")
    check_fields(fields, {"truncation": request.truncation, "include": request.include, **_storage(request)})
    if request.input is None and request.previous_response_id is None:
        raise invalid("this field is required", "input")
    items = items_of(request.input)
    passed = _chat_fields(request, fields)
    # Behind an earlier response the items may be results of its calls: they are checked when it has been read.
    alone = [] if request.previous_response_id is not None else chat_messages(items)
    return ResponseBody(
        request=request,
        items=items,
        chat=_chat(passed, request.instructions, alone),
        chat_fields=passed,
        ignored=_ignored(request),
    )


def _storage(request: ResponseRequest) -> dict[str, Any]:
    return {"background": request.background, "store": request.store}


def _chat(fields: dict[str, Any], instructions: str | None, messages: list[dict[str, Any]]) -> ChatBody:
    if instructions:
        messages = [{"role": "system", "content": instructions}, *messages]
    with responses_errors():
        return read_chat(_encode({**fields, "messages": messages or [{"role": "user", "content": ""}]}))


def _chat_fields(request: ResponseRequest, fields: Fields) -> dict[str, Any]:
    """Everything but the messages. Fields that this API does not have are the provider's, as in a chat completion."""
    made: dict[str, Any] = {name: raw for name, raw in fields.items() if name not in OWN and name not in REFUSED}
    made |= {name: fields[name] for name in PASSED if name in fields and bytes(fields[name]) != b"null"}
    tools = chat_tools(request.tools or [])
    if request.tool_choice is not None:
        choice, tools = chat_tool_choice(request.tool_choice, tools)
        if tools:
            made["tool_choice"] = choice
        elif choice not in ("none", "auto"):
            raise invalid("there are no tools to choose from", "tool_choice")
    if tools:
        made["tools"] = tools
    else:
        made.pop("parallel_tool_calls", None)  # Providers refuse it without tools, and clients send it always.
    made |= _settings(request, fields)
    if request.stream:
        made["stream"] = True
    return made


def _settings(request: ResponseRequest, fields: Fields) -> dict[str, Any]:
    """Settings that a chat completion has under another name."""
    made: dict[str, Any] = {}
    if request.max_output_tokens is not None:
        made["max_completion_tokens"] = request.max_output_tokens
    if request.reasoning is not None and request.reasoning.effort is not None:
        made["reasoning_effort"] = request.reasoning.effort
    if request.text is not None:
        if request.text.verbosity is not None:
            made["verbosity"] = request.text.verbosity
        if request.text.format is not None and request.text.format.type != "text":
            made["response_format"] = _response_format(fields)
    return made


def _response_format(fields: Fields) -> dict[str, Any]:
    format_: dict[str, Any] = msgspec.json.decode(fields["text"], type=dict[str, Any])["format"]
    if format_["type"] == "json_object":
        return {"type": "json_object"}
    for name in ("name", "schema"):
        if format_.get(name) is None:
            raise invalid("this field is required", f"text.format.{name}")
    schema = {name: value for name, value in format_.items() if name != "type" and value is not None}
    return {"type": "json_schema", "json_schema": schema}


def _ignored(request: ResponseRequest) -> tuple[str, ...]:
    options = request.stream_options
    return ("stream_options.include_obfuscation",) if options is not None and options.include_obfuscation else ()
