"""A body of OpenAI's older Completions API as the chat completion that it becomes: its prompt is one user message.

No provider type has a completions endpoint: where a server behind `OpenAI` has one, it skips the chat template that its
model was trained with, and a fallback to another type would answer otherwise. What a chat cannot do is refused by name.
Pure.
"""

from typing import Any, Final, Literal

import msgspec
from msgspec import Raw, Struct

from penstock_contract.request.chat_body import ChatBody, read_chat_completion
from penstock_contract.request.json_body import Fields, decoded, fields_of, invalid, without_mark

NOTHING: Final = frozenset((b"null", b"false", b'""', b"[]"))
REFUSED: Final = {
    "suffix": "a chat has no text behind its answer; write the instruction into the prompt",
    "echo": "an answer has no copy of the prompt; put it before the text",
    "messages": "this endpoint has a prompt; use /v1/chat/completions",
    "tools": "use /v1/chat/completions",
    "tool_choice": "use /v1/chat/completions",
    "top_logprobs": "logprobs is the number of this endpoint",
}
OWN: Final = frozenset(("prompt", "best_of", "logprobs", *REFUSED))
TOP_MAX: Final = 20
"""A chat's bound of `top_logprobs`; the older API's own is 5."""

_prompt = msgspec.json.Decoder(str | list[Any])
_count = msgspec.json.Decoder(int | None)
_encode = msgspec.json.Encoder().encode


class CompletionBody(Struct, frozen=True):
    """The chat completion that a completion's body becomes."""

    chat: ChatBody


def read_completion(body: bytes) -> CompletionBody:
    """Make a chat completion of a completion's body. Raises `PenstockError` `invalid_request`."""
    fields = fields_of(without_mark(body))
    for name, reason in REFUSED.items():
        if name in fields and bytes(fields[name]) not in NOTHING:
            raise invalid(f"not supported: {reason}", name)
    passed: dict[str, Any] = {name: raw for name, raw in fields.items() if name not in OWN}
    passed["messages"] = [{"role": "user", "content": _text(fields)}]
    top = _number(fields, "logprobs")
    if top is not None:
        if not 0 <= top <= TOP_MAX:
            raise invalid(f"must be from 0 to {TOP_MAX}", "logprobs")
        passed["logprobs"] = True
        if top:
            passed["top_logprobs"] = top
    best = _number(fields, "best_of")
    if best is not None and best != (_number(fields, "n") or 1):
        raise invalid("not supported: only as many answers are made as n asks for", "best_of")
    return CompletionBody(read_chat_completion(_encode(passed)))


def _text(fields: Fields) -> str:
    if "prompt" not in fields:
        raise invalid("this field is required", "prompt")
    prompt: str | list[Any] = decoded(_prompt, fields["prompt"], "prompt")
    if isinstance(prompt, list):
        if len(prompt) != 1:
            raise invalid("one prompt is supported; send a request for each", "prompt")
        prompt = prompt[0]
    if not isinstance(prompt, str):
        raise invalid("must be a text: token numbers are of one model's vocabulary", "prompt")
    if not prompt:
        raise invalid("must not be empty", "prompt")
    return prompt


def _number(fields: Fields, name: Literal["logprobs", "best_of", "n"]) -> int | None:
    found: int | None = decoded(_count, fields.get(name, Raw(b"null")), name)
    return found
