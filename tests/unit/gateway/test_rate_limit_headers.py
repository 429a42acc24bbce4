"""The rate-limit headers, in OpenAI's format."""

import pytest

from penstock_gateway.limits.rate_limit_headers import duration, rate_headers


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0ms"), (0.0121, "13ms"), (1, "1s"), (59.2, "1m0s"), (60, "1m0s"), (360, "6m0s"), (61.5, "1m2s")],
)
def test_rate_headers_write_durations_in_openais_format(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_rate_headers_are_three() -> None:
    assert rate_headers("requests", (60, 59, 1.0)) == [
        (b"x-ratelimit-limit-requests", b"60"),
        (b"x-ratelimit-remaining-requests", b"59"),
        (b"x-ratelimit-reset-requests", b"1s"),
    ]
