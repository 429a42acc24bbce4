"""The treatment of each field of a Messages request by type of provider: the table behind docs/reference/messages.md.

A provider of Anthropic's API is sent every field as it came. For a provider of OpenAI's API the request is translated;
a field without a translation is refused, or left out if it is a hint that cannot change the answer's meaning. Pure.
"""

from typing import Final, Literal

TO_CHAT: Final[dict[str, Literal["translated", "passed", "ignored", "refused"]]] = {
    "model": "translated",
    "messages": "translated",
    "system": "translated",
    "max_tokens": "translated",
    "stop_sequences": "translated",
    "stream": "translated",
    "temperature": "translated",
    "top_p": "translated",
    "top_k": "passed",
    "tools": "translated",
    "tool_choice": "translated",
    "thinking": "translated",
    "output_config": "translated",
    "output_format": "translated",
    "metadata": "translated",
    "cache_control": "ignored",
    "service_tier": "ignored",
    "context_management": "ignored",
    "diagnostics": "ignored",
    "speed": "ignored",
    "betas": "ignored",
    "anthropic-beta": "ignored",
    "container": "refused",
    "inference_geo": "refused",
    "mcp_servers": "refused",
    "thread": "refused",
}
"""`anthropic-beta` is the header, which Anthropic's SDKs make from `betas`; some clients send that in the body."""

MESSAGES_KNOWN: Final = frozenset(TO_CHAT)
MADE_OF: Final = {
    "system": ("messages",),
    "stop_sequences": ("stop",),
    "thinking": ("reasoning_effort",),
    "output_config": ("reasoning_effort", "response_format"),
    "output_format": ("response_format",),
    "metadata": ("user",),
    "max_tokens": ("max_tokens", "max_completion_tokens"),
}
"""OpenAI's names for what a field becomes: a route that drops all of them drops the field."""
