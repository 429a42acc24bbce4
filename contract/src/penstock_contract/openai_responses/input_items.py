"""Input items of the Responses API as the messages of a chat completion. Pure; raises `invalid_request`.

An assistant's turn is several items in this API, and one message in a chat: reasoning, text and calls that follow one
another become one message, as providers refuse a call whose result is not in the next message.
"""

from collections.abc import Iterable
from typing import Any, Final

from penstock_contract.openai_responses.content import assistant_content, chat_content
from penstock_contract.openai_responses.sealed_reasoning import unsealed
from penstock_contract.request.json_body import invalid

Item = dict[str, Any]
ROLES: Final = ("user", "assistant", "system", "developer")


def items_of(given: str | list[Item] | None) -> list[Item]:
    """Input as items: a text is a user's message."""
    if given is None:
        return []
    return [{"type": "message", "role": "user", "content": given}] if isinstance(given, str) else given


def chat_messages(items: Iterable[Item], known: Iterable[Item] = ()) -> list[dict[str, Any]]:
    """The messages of `known` items, which were checked before, and of `items`, whose places errors name."""
    conversation = _Conversation()
    for item in known:
        conversation.add(item, "previous_response_id")
    for index, item in enumerate(items):
        conversation.add(item, f"input[{index}]")
    return conversation.messages


class _Conversation:
    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self._assistant: dict[str, Any] | None = None
        self._open_calls: set[str] = set()
        self._calls: set[str] = set()

    def add(self, item: Item, path: str) -> None:
        kind = item.get("type", "message" if "role" in item else None)
        match kind:
            case "message":
                self._message(item, path)
            case "function_call":
                self._call(item, path)
            case "function_call_output":
                self._output(item, path)
            case "reasoning":
                self._reasoning(item, path)
            case "item_reference":
                raise invalid("items are not kept by their ids; send the item, or use previous_response_id", path)
            case _:
                shown = ascii(kind[:64]) if isinstance(kind, str) else "without a type"
                raise invalid(f"an item {shown} is not supported: its tool is not available here", path)

    def _message(self, item: Item, path: str) -> None:
        role = item.get("role")
        if role not in ROLES:
            raise invalid(f"must be one of {', '.join(ROLES)}", f"{path}.role")
        if role != "assistant":
            self._assistant = None
            self.messages.append({"role": role, "content": chat_content(item.get("content"), f"{path}.content")})
            return
        content = assistant_content(item.get("content"), f"{path}.content")
        message = self._turn(new=self._assistant is not None and "content" in self._assistant)
        message["content"] = content

    def _call(self, item: Item, path: str) -> None:
        call_id, name = _text(item, "call_id", path), _text(item, "name", path)
        arguments = item.get("arguments", "")
        if not isinstance(arguments, str):
            raise invalid("must be a text", f"{path}.arguments")
        call = {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
        self._turn(new=False).setdefault("tool_calls", []).append(call)
        self._open_calls.add(call_id)
        self._calls.add(call_id)

    def _output(self, item: Item, path: str) -> None:
        call_id = _text(item, "call_id", path)
        if call_id not in self._calls:
            raise invalid(f"no function_call before it has the call_id {call_id[:64]!a}", f"{path}.call_id")
        self._open_calls.discard(call_id)
        self._assistant = None
        content = chat_content(item.get("output"), f"{path}.output")
        self.messages.append({"role": "tool", "tool_call_id": call_id, "content": content})

    def _reasoning(self, item: Item, path: str) -> None:
        texts = [*_texts(item, "content", path), *_texts(item, "summary", path)]
        sealed = item.get("encrypted_content")
        details = unsealed(sealed, f"{path}.encrypted_content") if sealed is not None else []
        if not texts and not details:
            return  # An id alone, of a response that was not stored: there is nothing to send.
        current = self._assistant
        has_output = current is not None and ("content" in current or "tool_calls" in current)
        message = self._turn(new=has_output and not self._open_calls)
        if texts:
            message["reasoning_content"] = "\n\n".join([*filter(None, [message.get("reasoning_content")]), *texts])
        if details:
            message.setdefault("reasoning_details", []).extend(details)

    def _turn(self, *, new: bool) -> dict[str, Any]:
        """The assistant's message that the next item belongs to."""
        if self._assistant is None or (new and not self._open_calls):
            self._assistant = {"role": "assistant"}
            self.messages.append(self._assistant)
        return self._assistant


def _text(item: Item, name: str, path: str) -> str:
    value = item.get(name)
    if not isinstance(value, str) or not value:
        raise invalid("this field is required", f"{path}.{name}")
    return value


def _texts(item: Item, name: str, path: str) -> list[str]:
    parts = item.get(name) or []
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise invalid("must be a list of objects", f"{path}.{name}")
    return [part["text"] for part in parts if isinstance(part.get("text"), str) and part["text"]]
