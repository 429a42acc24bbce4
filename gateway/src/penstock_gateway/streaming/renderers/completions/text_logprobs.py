"""Log probabilities of OpenAI's older Completions API, of those of its chat completions. Pure."""

from typing import Any

from penstock_contract.endpoint_responses import TextLogprobs


def text_logprobs(found: Any, offset: int) -> TextLogprobs | None:
    """Convert a choice's `logprobs`; `offset` is the number of characters before it. None if it has no tokens."""
    content = found.get("content") if isinstance(found, dict) else None
    tokens = [token for token in content if isinstance(token, dict)] if isinstance(content, list) else []
    if not tokens:
        return None
    texts = [_text(token) for token in tokens]
    offsets: list[int] = []
    for text in texts:
        offsets.append(offset)
        offset += len(text)
    tops = [_tops(token.get("top_logprobs")) for token in tokens]
    return TextLogprobs(texts, [_number(token) for token in tokens], tops if any(tops) else None, offsets)


def _tops(found: Any) -> dict[str, float]:
    listed = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    return {_text(one): number for one in listed if (number := _number(one)) is not None}


def _text(token: dict[str, Any]) -> str:
    text = token.get("token")
    return text if isinstance(text, str) else ""


def _number(token: dict[str, Any]) -> float | None:
    number = token.get("logprob")
    return float(number) if isinstance(number, int | float) else None
