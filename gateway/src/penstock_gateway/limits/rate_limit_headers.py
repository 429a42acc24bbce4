"""The headers of a limit: OpenAI's `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`, and Anthropic's."""

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Final

from penstock_gateway.http.request_middleware import Headers

HEADER: Final = re.compile(rb"x-ratelimit-(limit|remaining|reset)-(requests|tokens)")
DURATION: Final = re.compile(r"(?:(\d+)m)?(\d+)(ms|s)")
NAMES: Final = {
    meter: tuple(f"x-ratelimit-{name}-{meter}".encode() for name in ("limit", "remaining", "reset"))
    for meter in ("requests", "tokens")
}
MINUTE_S: Final = 60
Remaining = tuple[int, int, float]
"""The limit, the part of it that remains, and seconds until the whole is available again."""


def rate_headers(meter: str, remaining: Remaining) -> Headers:
    limit, left, reset_s = remaining
    names = NAMES[meter]
    return [(names[0], b"%d" % limit), (names[1], b"%d" % left), (names[2], duration(reset_s).encode())]


def duration(seconds: float) -> str:
    """In Go's format, which OpenAI sends: `120ms`, `1s`, `6m0s`. Rounded up, so that a retry is never too early."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    minutes, rest = divmod(math.ceil(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def anthropics(headers: Headers, unix: float) -> Headers:
    """The headers of Anthropic's API that state the same: `anthropic-ratelimit-{requests,tokens}-{limit,…}`.

    `reset` is a time in RFC 3339 there, so `unix` is the time now.
    """
    found: Headers = []
    for header, value in headers:
        if (named := HEADER.fullmatch(header)) is not None:
            name, meter = named.groups()
            text = value if name != b"reset" else _time(unix + seconds(value.decode())).encode()
            found.append((b"anthropic-ratelimit-%b-%b" % (meter, name), text))
    return found


def seconds(text: str) -> float:
    """The seconds of a `duration`."""
    found = DURATION.fullmatch(text)
    assert found is not None, text
    minutes, rest, unit = found.groups()
    return int(minutes or 0) * MINUTE_S + int(rest) / (1000 if unit == "ms" else 1)


def _time(unix: float) -> str:
    """In whole seconds, rounded up."""
    at = datetime.fromtimestamp(0, UTC) + timedelta(seconds=math.ceil(unix))
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
