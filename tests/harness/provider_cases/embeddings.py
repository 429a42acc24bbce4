"""Odd answers of embeddings from public bug reports: each is the vector 0.5, 0.25."""

from typing import Any

EMBEDDED: dict[str, tuple[str, dict[str, Any]]] = {
    "9 without usage": (
        "Gemini's endpoint has none; spring-ai PR #7026",
        {"data": [{"index": 0, "embedding": [0.5, 0.25]}]},
    ),
    "9 with null usage": (
        "tensorzero PR #4617",
        {"data": [{"index": 0, "embedding": [0.5, 0.25]}], "usage": None},
    ),
    "9 with a usage of 0": (
        "LM Studio; lmstudio-bug-tracker #1546",
        {"data": [{"index": 0, "embedding": [0.5, 0.25]}], "usage": {"prompt_tokens": 0}},
    ),
    "end without index": ("provider_cases.md, end", {"data": [{"embedding": [0.5, 0.25]}]}),
    "end as base64": (
        "OpenAI's encoding_format: little-endian float32",
        {"data": [{"index": 0, "embedding": "AAAAPwAAgD4="}]},
    ),
}
