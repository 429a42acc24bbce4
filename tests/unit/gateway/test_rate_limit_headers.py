"""The rate-limit headers, in OpenAI's format."""

import pytest

from penstock_gateway.limits.rate_limit_headers import anthropics, duration, rate_headers, seconds


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


@pytest.mark.parametrize("wait_s", [0.0, 0.013, 1.0, 59.0, 60.0, 360.0, 62.0])
def test_rate_headers_durations_are_read_back(wait_s: float) -> None:
    assert seconds(duration(wait_s)) == wait_s


def test_rate_headers_have_the_names_and_times_of_anthropics_api() -> None:
    headers = [
        (b"x-request-id", b"req_1"),
        *rate_headers("requests", (60, 59, 1.0)),
        *rate_headers("tokens", (9, 0, 90)),
    ]

    assert anthropics(headers, 1_800_000_000.5) == [
        (b"anthropic-ratelimit-requests-limit", b"60"),
        (b"anthropic-ratelimit-requests-remaining", b"59"),
        (b"anthropic-ratelimit-requests-reset", b"2027-01-15T08:00:02Z"),
        (b"anthropic-ratelimit-tokens-limit", b"9"),
        (b"anthropic-ratelimit-tokens-remaining", b"0"),
        (b"anthropic-ratelimit-tokens-reset", b"2027-01-15T08:01:31Z"),
    ]
