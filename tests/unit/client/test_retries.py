"""Retries of a request, and the waits before them."""

import pytest

from penstock_client.retries import RetryPolicy, retry_after_s, should_retry

NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, False),
        (401, False),
        (404, False),
        (408, True),
        (409, True),
        (413, False),
        (429, True),
        (500, True),
        (504, True),
    ],
)
def test_retries_depend_on_the_status(status: int, expected: bool) -> None:
    """408, 409, 429 and all server errors may be temporary; other statuses are not."""
    assert expected is should_retry(status, {})


@pytest.mark.parametrize(
    ("status", "header", "expected"), [(503, "false", False), (400, "true", True), (503, "perhaps", True)]
)
def test_retries_follow_the_gateways_header_rather_than_the_status(status: int, header: str, expected: bool) -> None:
    """`x-should-retry` takes precedence; unknown values are ignored."""
    assert expected is should_retry(status, {"x-should-retry": header})


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after": "3", "retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "Tue, 14 Nov 2023 22:13:30 GMT"}, 10.0),
        ({"retry-after": "Tue, 14 Nov 2023 22:13:10 GMT"}, None),
        ({"retry-after": "0"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "7", "retry-after-ms": "soon"}, 7.0),
    ],
)
def test_retries_read_the_hint(headers: dict[str, str], expected: float | None) -> None:
    """A hint has seconds, fractions, milliseconds or a date; an invalid one is ignored."""
    assert expected == retry_after_s(headers, NOW)


def test_retries_back_off_exponentially_up_to_a_bound() -> None:
    """The wait doubles from half a second up to eight seconds."""
    policy = RetryPolicy(max_retries=7)

    delays = [policy.delay_s(attempt, retryable=True, hint_s=None, dice=0.0) for attempt in range(8)]

    assert delays == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0, None]


def test_retries_jitter_subtracts_at_most_a_quarter() -> None:
    """Clients that were rejected together do not retry together."""
    assert RetryPolicy().delay_s(0, retryable=True, hint_s=None, dice=1.0) == 0.375


@pytest.mark.parametrize(("hint_s", "expected"), [(0.01, 0.01), (30.0, 30.0), (120.0, 120.0), (120.1, None)])
def test_retries_wait_exactly_for_a_hint_or_end(hint_s: float, expected: float | None) -> None:
    """The client waits exactly for a gateway's pause; one above 120 s ends the retries."""
    assert expected == RetryPolicy().delay_s(0, retryable=True, hint_s=hint_s, dice=0.5)


def test_retries_end_after_the_last_one_and_for_a_final_error() -> None:
    """Retries end after the last one, and at once for an error that is not temporary."""
    assert RetryPolicy(max_retries=0).delay_s(0, retryable=True, hint_s=1.0, dice=0.0) is None
    assert RetryPolicy(max_retries=2).delay_s(2, retryable=True, hint_s=1.0, dice=0.0) is None
    assert RetryPolicy(max_retries=2).delay_s(0, retryable=False, hint_s=1.0, dice=0.0) is None
