"""Finish reasons of all providers, made consistent with the events sent to the client."""

from penstock_contract.stream.events import FinishReason

REASONS: dict[str, FinishReason] = {
    **dict.fromkeys(
        (
            "length",
            "max_tokens",
            "max_output_tokens",
            "max_completion_tokens",
            "model_length",
            "max_length",
            "token_limit",
            "context_length",
            "context_window_exceeded",
            "model_context_window_exceeded",
            "incomplete",
        ),
        "length",
    ),
    **dict.fromkeys(("tool_calls", "tool_call", "tool_use", "function_call"), "tool_calls"),
    **dict.fromkeys(
        (
            "content_filter",
            "content_filtered",
            "content_policy",
            "guardrail_intervened",
            "refusal",
            "safety",
            "recitation",
            "blocklist",
            "prohibited_content",
            "spii",
            "image_safety",
            "sensitive",
        ),
        "content_filter",
    ),
}
"""Anything else that a provider calls an end (`stop`, `eos`, `end_turn`) is `stop`."""

FAILED_REASONS = frozenset(
    {
        "error",
        "network_error",
        "insufficient_system_resource",
        "abort",
        "aborted",
        "cancelled",
        "canceled",
        "timeout",
        "malformed_function_call",
    }
)
"""Ends that are failures: the answer is not whole, and no finish reason of OpenAI means that."""

STRENGTH: dict[FinishReason, int] = {"stop": 0, "tool_calls": 1, "length": 2, "content_filter": 3}


def read_reason(text: str) -> FinishReason:
    return REASONS.get(text.strip().lower().replace("-", "_"), "stop")


def stronger(before: FinishReason | None, now: FinishReason) -> FinishReason:
    """A later reason never weakens an earlier: some servers end once more, with `stop`."""
    return now if before is None or STRENGTH[now] > STRENGTH[before] else before


def agreed(reason: FinishReason, *, called: bool) -> FinishReason:
    """The reason that fits the events sent.

    `tool_calls` where calls were sent, also for a named `tool_choice`, where OpenAI itself sends `stop`: agents run
    calls because of it, and a client that looks at the calls is not affected. Never `tool_calls` without a call: agents
    would loop.
    """
    if called and reason == "stop":
        return "tool_calls"
    return "stop" if reason == "tool_calls" and not called else reason
