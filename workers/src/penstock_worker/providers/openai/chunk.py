"""The OpenAI dialect's chunk as a Struct, read strictly and fast, or leniently from any JSON.

The strict decoder refuses unknown fields and odd types, so that a chunk which it takes has nothing that could get lost;
nearly all chunks are such. The lenient reader takes what carries meaning in every spelling, and keeps the rest in
`extra`.
"""

from typing import Any

import msgspec
from msgspec import Struct, field

from penstock_worker.providers.answer import lenient

_NEVER_A_FIELD = " extra"


class ChunkFunction(Struct, gc=False, forbid_unknown_fields=True):
    name: str | None = None
    arguments: str | None = None


class ChunkToolCall(Struct, gc=False, forbid_unknown_fields=True):
    index: int | None = None
    id: str | None = None
    type: Any = None
    function: ChunkFunction | None = None
    extra: dict[str, Any] | None = field(default=None, name=_NEVER_A_FIELD)


class ChunkDelta(Struct, gc=False, forbid_unknown_fields=True):
    content: str | None = None
    role: Any = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[ChunkToolCall] | None = None
    extra: dict[str, Any] | None = field(default=None, name=_NEVER_A_FIELD)


class ProviderChoice(Struct, gc=False, forbid_unknown_fields=True):
    """`source` is where the delta came from: a `message` or `text` may repeat the deltas that came before."""

    delta: ChunkDelta | None = None
    index: int = 0
    finish_reason: str | None = None
    logprobs: None = None
    extra: dict[str, Any] | None = field(default=None, name=_NEVER_A_FIELD)
    source: str = field(default="delta", name=" source")


class Chunk(Struct, gc=False, forbid_unknown_fields=True):
    """`lenient`: its texts may have lone surrogates."""

    choices: list[ProviderChoice] | None = None
    id: Any = None
    object: Any = None
    created: Any = None
    model: Any = None
    usage: dict[str, Any] | None = None
    error: None = None
    service_tier: str | None = None
    system_fingerprint: str | None = None
    obfuscation: Any = None
    extra: dict[str, Any] | None = field(default=None, name=_NEVER_A_FIELD)
    lenient: bool = field(default=False, name=" lenient")


decode_strictly = msgspec.json.Decoder(Chunk).decode

_CHUNK = {"choices", "id", "object", "created", "model", "usage", "error", "obfuscation", "x_groq", "timings"}
_CHOICE = {"delta", "message", "text", "index", "finish_reason", "usage"}
_DELTA = {"content", "role", "refusal", "reasoning_content", "reasoning", "thinking", "tool_calls", "function_call"}
_CALL = {"index", "id", "type", "function"}
_CALLS_FUNCTION = {"name", "arguments"}
NO_REASONS = {"", "null", "none"}


def error_of(answer: dict[str, Any]) -> object:
    """The error that an object carries, nested or flat; None if it is none."""
    error = answer.get("error")
    if lenient.meant(error):
        return error
    if "choices" in answer and answer["choices"] is not None:
        return None
    if answer.get("object") == "error" or answer.get("type") == "error":
        return answer
    texts = (answer.get(name) for name in ("message", "detail", "errors", "msg"))
    has_message = any(isinstance(text, str | list | dict) for text in texts)
    return answer if has_message and lenient.meant({**answer, "type": None}) and "usage" not in answer else None


def read(answer: dict[str, Any]) -> Chunk:
    """A chunk, or a whole completion, of any shape. The caller has checked for an error."""
    return Chunk(
        choices=[_choice(choice) for choice in lenient.objects(answer.get("choices"))],
        usage=_usage(answer),
        extra=_rest(answer, _CHUNK),
        lenient=True,
    )


def _choice(choice: dict[str, Any]) -> ProviderChoice:
    source = next((name for name in ("delta", "message", "text") if lenient.meant(choice.get(name))), "delta")
    content = choice.get(source)
    delta = {"content": content} if isinstance(content, str | list) else lenient.mapping(content)
    reason = choice.get("finish_reason")
    if isinstance(reason, dict):
        reason = reason.get("type") or reason.get("reason")
    reason = lenient.text(reason)
    return ProviderChoice(
        delta=_delta(delta),
        index=lenient.count(choice.get("index")) or 0,
        finish_reason=reason if reason.lower() not in NO_REASONS else None,
        extra=_rest(choice, _CHOICE),
        source=source,
    )


def _delta(delta: dict[str, Any]) -> ChunkDelta:
    extra = _rest(delta, _DELTA)
    content, thoughts = _content(delta.get("content"), extra)
    for name in ("reasoning_content", "reasoning", "thinking"):
        value = delta.get(name)
        if isinstance(value, dict | list):
            text, inner = _content(value, {})
            value = inner or text
            if not value and lenient.meant(delta[name]):
                extra["reasoning_parts"] = delta[name]
        thoughts = thoughts or lenient.text(value)
    calls = [_call(call) for call in lenient.objects(delta.get("tool_calls"))]
    legacy = lenient.mapping(delta.get("function_call"))
    if legacy and not calls:
        calls.append(_call({"function": legacy}))
    return ChunkDelta(
        content=content,
        refusal=lenient.text(delta.get("refusal")),
        reasoning_content=thoughts,
        tool_calls=calls,
        extra=extra,
    )


def _content(content: object, extra: dict[str, Any]) -> tuple[str, str]:
    """Text and reasoning of content as text or as parts; other parts go to `extra`."""
    if not isinstance(content, dict | list):
        return lenient.text(content), ""
    texts: list[str] = []
    thoughts: list[str] = []
    parts = content if isinstance(content, list) else [content]
    for part in parts:
        if isinstance(part, str):
            texts.append(part)
            continue
        fields = lenient.mapping(part)
        kind = lenient.text(fields.get("type"))
        if "thinking" in fields or kind in {"thinking", "reasoning"}:
            text, inner = _content(fields.get("thinking", fields.get("reasoning", fields.get("text"))), {})
            thoughts.append(inner + text)
        elif isinstance(fields.get("text"), str):
            texts.append(fields["text"])
        elif isinstance(fields.get("refusal"), str) or not fields:
            texts.append(lenient.text(fields.get("refusal")))
        else:
            place = "images" if kind == "image_url" else "content_parts"
            extra[place] = [*extra.get(place, []), part]
    return "".join(texts), "".join(thoughts)


def _call(call: dict[str, Any]) -> ChunkToolCall:
    function = lenient.mapping(call.get("function"))
    extra = _rest(call, _CALL)
    if inner := _rest(function, _CALLS_FUNCTION):
        extra["function"] = inner
    return ChunkToolCall(
        index=lenient.count(call.get("index")),
        id=lenient.text(call.get("id")),
        function=ChunkFunction(lenient.text(function.get("name")), lenient.json_text(function.get("arguments"))),
        extra=extra,
    )


def _usage(answer: dict[str, Any]) -> dict[str, Any] | None:
    """Wherever it stands: beside `choices`, inside a choice (Moonshot), `x_groq`, or llama.cpp's `timings`."""
    choices = lenient.objects(answer.get("choices"))
    places = [answer, lenient.mapping(answer.get("x_groq")), *choices[:1]]
    places += [lenient.mapping(choice.get("message")) for choice in choices[:1]]
    found = next((usage for place in places if (usage := lenient.mapping(place.get("usage")))), {})
    timings = lenient.mapping(answer.get("timings"))
    return {**found, **({" timings": timings} if timings else {})} or None


def _rest(fields: dict[str, Any], known: set[str]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in known and value is not None}
