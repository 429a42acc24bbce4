"""The rate-limit headers of OpenAI's API: `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`."""

import math

from penstock_gateway.http.request_middleware import Headers

Remaining = tuple[int, int, float]
"""The limit, the part of it that remains, and seconds until the whole is available again."""


def rate_headers(meter: str, remaining: Remaining) -> Headers:
    limit, left, reset_s = remaining
    named = {"limit": str(limit), "remaining": str(left), "reset": duration(reset_s)}
    return [(f"x-ratelimit-{name}-{meter}".encode(), value.encode()) for name, value in named.items()]


def duration(seconds: float) -> str:
    """In Go's format, which OpenAI sends: `120ms`, `1s`, `6m0s`. Rounded up, so that a retry is never too early."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    minutes, rest = divmod(math.ceil(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
