"""What is left of a key's limits, as OpenAI says it: `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`."""

import math

from penstock_gateway.http.request_middleware import Headers

Left = tuple[int, int, float]
"""Limit, what remains of it, seconds until it is whole again."""


def rate_headers(meter: str, left: Left) -> Headers:
    limit, remaining, reset_s = left
    named = {"limit": str(limit), "remaining": str(remaining), "reset": duration(reset_s)}
    return [(f"x-ratelimit-{name}-{meter}".encode(), value.encode()) for name, value in named.items()]


def duration(seconds: float) -> str:
    """As Go writes it, which is what OpenAI sends: `120ms`, `1s`, `6m0s`. Rounded up: who comes then is not early."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    minutes, rest = divmod(math.ceil(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
