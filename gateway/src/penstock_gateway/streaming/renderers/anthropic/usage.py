"""Token counts in Anthropic's form, in which cached input is beside the input and not within it. Pure."""

from typing import Any

from penstock_contract.stream.events import UsageReported


def start_usage(input_tokens: int) -> dict[str, Any]:
    """The usage at a message's start: the gateway's estimate of the input, as only the end has the provider's count."""
    return {
        "input_tokens": input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": 0,
        "output_tokens_details": None,
        "server_tool_use": None,
        "service_tier": None,
        "inference_geo": None,
    }


def end_usage(reported: UsageReported | None) -> dict[str, Any]:
    """The usage at a message's end. Anthropic requires an output; it is 0 where the provider counted nothing.

    No estimate: it would not be the same for a second reader, whose texts are written without the renderer.
    """
    if reported is None:
        return {"output_tokens": 0}
    read, written = reported.cached_input_tokens, reported.cache_write_input_tokens
    thinking = {"thinking_tokens": reported.reasoning_tokens} if reported.reasoning_tokens else None
    return {
        "input_tokens": max(0, reported.input_tokens - read - written),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "output_tokens": reported.output_tokens,
        "output_tokens_details": thinking,
        "server_tool_use": None,
    }
