"""Chunks of OpenAI with one choice."""

from typing import Any

from unit.support.openai_chunks import data


def choice(finish_reason: str | None = None, **delta: Any) -> bytes:
    return data(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1700000000,
            "model": "gpt-4o-2024-08-06",
            "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}],
            "usage": None,
            "obfuscation": "x7",
        }
    )


STOP = choice("stop")
