"""One sentence for the log events of a request: which provider answered it, and why a provider refused it. Pure."""

from collections.abc import Mapping
from typing import Any


def sentence(event: Mapping[str, Any]) -> str | None:
    """The sentence, None for any other event."""
    match event.get("event"):
        case "gateway.request_ended":
            return _answer(event)
        case "worker.call_ended" if event.get("level") == "warning":
            return _refusal(event)
        case _:
            return None


def _answer(event: Mapping[str, Any]) -> str:
    provider = event.get("provider")
    by = f"provider {provider}" if provider else "no provider"
    code = event.get("code")
    parts = [f"{event.get('duration_s', 0):.2f} s"]
    if (first := event.get("first_token_s")) is not None:
        parts.append(f"first token {first:.2f} s")
    if (tokens := event.get("output_tokens")) is not None:
        parts.append(f"{event.get('input_tokens')} + {tokens} tokens")
    attempt = event.get("attempt") or 1
    if attempt > 1:
        parts.append(f"attempt {attempt}")
    outcome = f"{by} answered" if code is None else f"{code}, {by}"
    return f"{event.get('model')}: {outcome} ({', '.join(parts)}) {event.get('request_id')}"


def _refusal(event: Mapping[str, Any]) -> str:
    status = event.get("status")
    http = "" if status is None else f" HTTP {status}"
    message = event.get("provider_message")
    words = " ".join(str(message).split()) if message else "no message"
    return f"provider {event.get('provider')}:{http} {event.get('code')}, {words} {event.get('request_id')}"
