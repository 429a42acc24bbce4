"""The AI SDK's UI messages as OpenAI's messages: the mapping of `convertToModelMessages` (`ai` 6), without its tools.

Parts that are for the page alone (`data-*`, `source-*`, `step-start`) are not sent to a model, as there. A call without
an output is left out, because every provider refuses it. Pure.
"""

import binascii
from base64 import b64decode
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import msgspec
from msgspec import UNSET, Raw, Struct

from penstock_contract.ai_sdk.ui_message import UIMessage, UIPart
from penstock_contract.request.json_body import decoded, invalid

DENIED: Final = "Tool call execution denied."
REASONING: Final = "penstock"
"""The key of `providerMetadata` that carries a reasoning's signature to the page and back."""
AUDIO: Final = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/mpeg": "mp3", "audio/mp3": "mp3"}
UNANSWERED: Final = "messages.parts.tool"
"""In `x-penstock-ignored`: a call without an output."""
ASSISTANTS_FILE: Final = "messages.parts.file"
"""In `x-penstock-ignored`: a file of an assistant's message, for which OpenAI's messages have no place."""
LONE_REASONING: Final = "messages.parts.reasoning"
"""In `x-penstock-ignored`: a reasoning without an answer, as of an answer that was stopped."""

_text = msgspec.json.Decoder(str)


class Conversation(Struct):
    """`messages` in OpenAI's form; `ignored` are names of what a model could have been sent, and was not."""

    messages: list[dict[str, Any]]
    ignored: tuple[str, ...]


def conversation(messages: list[UIMessage]) -> Conversation:
    """Map a whole conversation. Raises `invalid_request` for a part that no message can hold."""
    made: list[dict[str, Any]] = []
    ignored: dict[str, None] = {}
    for index, message in enumerate(messages):
        path = f"messages[{index}].parts"
        if message.role == "system":
            text = "".join(part.text or "" for part in message.parts if part.type == "text")
            made += [{"role": "system", "content": text}] if text else []
        elif message.role == "user":
            made.append({"role": "user", "content": _users(message.parts, path)})
        else:
            for step in _steps(message.parts):
                answer = _Step(ignored)
                for place, part in step:
                    answer.add(part, f"{path}[{place}]")
                made += answer.messages()
    return Conversation(made, tuple(ignored))


def is_tool(part: UIPart) -> bool:
    return part.type == "dynamic-tool" or part.type.startswith("tool-")


def _users(parts: list[UIPart], path: str) -> str | list[dict[str, Any]]:
    content: list[dict[str, Any]] = []
    for place, part in enumerate(parts):
        if part.type == "text":
            text = _given(part.text, f"{path}[{place}].text")
            content += [{"type": "text", "text": text}] if text else []
        elif part.type == "file":
            content.append(file_part(part, f"{path}[{place}]"))
        elif not part.type.startswith(("data-", "source-")) and part.type != "step-start":
            raise invalid("a user's message has parts of the types text, file and data-*", f"{path}[{place}].type")
    if not content:
        raise invalid("this message has neither a text nor a file", path)
    return content[0]["text"] if len(content) == 1 and content[0]["type"] == "text" else content


def _steps(parts: list[UIPart]) -> list[list[tuple[int, UIPart]]]:
    """The parts of each step, with their places in the message."""
    steps: list[list[tuple[int, UIPart]]] = [[]]
    for place, part in enumerate(parts):
        if part.type == "step-start":
            steps.append([])
        else:
            steps[-1].append((place, part))
    return steps


class _Step:
    """One step of an answer, as it becomes an assistant's message and the outputs of its calls."""

    def __init__(self, ignored: dict[str, None]) -> None:
        self._ignored = ignored
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._details: list[Any] = []
        self._calls: list[dict[str, Any]] = []
        self._outputs: list[dict[str, Any]] = []

    def add(self, part: UIPart, path: str) -> None:
        if part.type == "text":
            self._texts.append(_given(part.text, f"{path}.text"))
        elif part.type == "reasoning":
            self._thoughts.append(part.text or "")
            self._details += _details(part)
        elif part.type == "file":
            self._ignored[ASSISTANTS_FILE] = None
        elif is_tool(part):
            self._add_call(part, path)
        elif not part.type.startswith(("data-", "source-")):
            raise invalid("no part of an assistant's message that the AI SDK has is of this type", f"{path}.type")

    def messages(self) -> list[dict[str, Any]]:
        if not (any(self._texts) or self._calls):
            if any(self._thoughts):
                self._ignored[LONE_REASONING] = None
            return []
        message: dict[str, Any] = {"role": "assistant"}
        if self._texts:
            message["content"] = "".join(self._texts)
        if any(self._thoughts):
            message["reasoning_content"] = "".join(self._thoughts)
        if self._details:
            message["reasoning_details"] = self._details
        if self._calls:
            message["tool_calls"] = self._calls
        return [message, *self._outputs]

    def _add_call(self, part: UIPart, path: str) -> None:
        output = _output(part, path)
        if output is None:
            self._ignored[UNANSWERED] = None
            return
        id_ = _required(part.tool_call_id, f"{path}.toolCallId")
        name = part.type.removeprefix("tool-") if part.type != "dynamic-tool" else part.tool_name
        function = {"name": _required(name, f"{path}.toolName"), "arguments": _arguments(part, path)}
        self._calls.append({"id": id_, "type": "function", "function": function})
        self._outputs.append({"role": "tool", "tool_call_id": id_, "content": output})


def file_part(part: UIPart, path: str) -> dict[str, Any]:
    """A file as OpenAI's content: pictures by any address, PDF, sound and text as `data:` addresses."""
    url = _required(part.url, f"{path}.url")
    media = _required(part.media_type, f"{path}.mediaType").lower().partition(";")[0].strip()
    if media.startswith("image/"):
        if not url[:8].lower().startswith(("https://", "data:")):
            raise invalid("must be an https: or a data: URL", f"{path}.url")
        return {"type": "image_url", "image_url": {"url": url}}
    if not url[:5].lower() == "data:":
        raise invalid("only pictures may have an address that is not a data: URL", f"{path}.url")
    if media == "application/pdf":
        return {"type": "file", "file": {"filename": part.filename or "file.pdf", "file_data": url}}
    if media in AUDIO:
        data = url.partition(",")[2]
        return {"type": "input_audio", "input_audio": {"data": data, "format": AUDIO[media]}}
    if media.startswith("text/"):
        return {"type": "text", "text": _decoded_text(url, f"{path}.url")}
    raise invalid("files may be image/*, application/pdf, audio/wav, audio/mpeg or text/*", f"{path}.mediaType")


def _decoded_text(url: str, path: str) -> str:
    head, _, data = url.partition(",")
    try:
        raw = b64decode(data, validate=True) if head.lower().endswith(";base64") else unquote_to_bytes(data)
        return raw.decode()
    except (binascii.Error, UnicodeDecodeError):
        raise invalid("this data: URL is not UTF-8 text", path) from None


def _output(part: UIPart, path: str) -> str | None:
    """A tool's output as the text of its message; None while there is none."""
    approval = part.approval
    match part.state:
        case "output-available":
            return _plain(part.output, f"{path}.output") if part.output is not UNSET else "null"
        case "output-error":
            return part.error_text or "error"
        case "output-denied":
            return (approval.reason if approval is not None else None) or DENIED
        case "approval-responded" if approval is not None and approval.approved is False:
            return approval.reason or DENIED
    return None


def _arguments(part: UIPart, path: str) -> str:
    """The JSON text of a call; what the model wrote, where that was no JSON."""
    for name, given in (("input", part.input), ("rawInput", part.raw_input)):
        if given is not UNSET and bytes(given) != b"null":
            return _plain(given, f"{path}.{name}")
    return "{}"


def _plain(raw: Raw, path: str) -> str:
    """A JSON text's own text, any other JSON as it stands."""
    if bytes(memoryview(raw)[:1]) == b'"':
        text: str = decoded(_text, raw, path)
        return text
    return bytes(raw).decode()


def _details(part: UIPart) -> list[Any]:
    ours = (part.provider_metadata or {}).get(REASONING)
    found = ours.get("reasoningDetails") if isinstance(ours, dict) else None
    return found if isinstance(found, list) else []


def _given(value: str | None, path: str) -> str:
    if value is None:
        raise invalid("this field is required", path)
    return value


def _required(value: str | None, path: str) -> str:
    if not value:
        raise invalid("this field is required", path)
    return value
