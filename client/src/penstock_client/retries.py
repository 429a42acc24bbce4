"""Decides on retries and their delay; the numbers are the OpenAI SDK's, which gateways are tuned for.

Pure: time and the random number are arguments, the caller waits.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

FIRST_BACKOFF_S = 0.5
MAX_BACKOFF_S = 8.0
MAX_HINT_S = 120.0
"""A gateway that requires a longer pause refuses the request: its error goes to the caller, with the pause in it."""
JITTER = 0.25
"""Up to this part of a backoff is taken off, so that clients refused together do not come back together."""

RETRYABLE_STATUSES = frozenset({408, 409, 429})


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    max_retries: int = 2

    def delay_s(self, attempt: int, *, retryable: bool, hint_s: float | None, dice: float) -> float | None:
        """Seconds to wait after failed `attempt` (from 0), None for no further attempt; `dice` is uniform in [0, 1)."""
        if not retryable or attempt >= self.max_retries:
            return None
        if hint_s is not None:
            return hint_s if hint_s <= MAX_HINT_S else None
        return min(FIRST_BACKOFF_S * 2.0**attempt, MAX_BACKOFF_S) * (1 - JITTER * dice)


def should_retry(status: int, headers: Mapping[str, str]) -> bool:
    """Return whether to try again; `x-should-retry` wins over the status, as in the vendors' SDKs."""
    value = headers.get("x-should-retry")
    if value in {"true", "false"}:
        return value == "true"
    return status in RETRYABLE_STATUSES or status >= 500


def retry_after_s(headers: Mapping[str, str], now: float) -> float | None:
    """The pause that a response requires, in seconds; None when it has none, or an invalid one.

    `retry-after-ms` is the finer one and wins; `retry-after` is seconds (fractions too) or a date (RFC 9110 §10.2.3),
    which is compared with `now`, Unix seconds.
    """
    milliseconds = _number(headers.get("retry-after-ms", ""))
    seconds = milliseconds / 1000 if milliseconds is not None else None
    if seconds is None:
        text = headers.get("retry-after", "")
        seconds = _number(text)
        if seconds is None:
            seconds = _seconds_until(text, now)
    return seconds if seconds is not None and seconds > 0 else None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _seconds_until(text: str, now: float) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp() - now
    except (ValueError, OverflowError):
        return None
