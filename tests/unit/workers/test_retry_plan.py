"""Order of the providers, and the decision after a failed call."""

from collections.abc import Callable, Iterator
from typing import get_args

import pytest

from penstock_contract.error_codes import ErrorCode
from penstock_contract.errors import ErrorDetail
from penstock_contract.route.provider import ProviderSpec
from penstock_worker.sessions.calls.retry_plan import AFTER, RETRY_WAIT_MAX_S, RetryPlan, Verdict, order, pause_s


def provider(name: str, weight: int = 1, priority: int = 0) -> ProviderSpec:
    return ProviderSpec(name=name, type="OpenAI", weight=weight, priority=priority)


def draws(*numbers: float) -> Callable[[], float]:
    """A random source with these numbers; a further draw is an error of the test."""
    left: Iterator[float] = iter(numbers)
    return lambda: next(left)


def names(providers: list[ProviderSpec], *numbers: float) -> str:
    return "".join(one.name for one in order(providers, draws(*numbers)))


@pytest.mark.parametrize(
    ("draw", "first"),
    [(0.0, "a"), (0.1999, "a"), (0.2, "b"), (0.4999, "b"), (0.5, "c"), (1 - 2**-53, "c")],
)
def test_provider_order_draws_providers_by_weight(draw: float, first: str) -> None:
    assert names([provider("a", 2), provider("b", 3), provider("c", 5)], draw, 0, 0)[0] == first


@pytest.mark.parametrize(
    ("first", "second", "sequence"),
    [(0.0, 0.0, "abc"), (0.0, 0.374, "abc"), (0.0, 0.375, "acb"), (0.5, 0.0, "cab"), (0.5, 0.4, "cba")],
)
def test_provider_order_draws_the_rest_of_a_priority_by_weight(first: float, second: float, sequence: str) -> None:
    assert names([provider("a", 2), provider("b", 3), provider("c", 5)], first, second, 0.0) == sequence


def test_provider_order_puts_a_lower_priority_number_first() -> None:
    providers = [provider("c", 1000, priority=2), provider("b", 1, priority=1), provider("a", 1, priority=0)]

    assert names(providers, 0.99, 0.99, 0.99) == "abc"


def test_provider_order_applies_weights_within_a_priority() -> None:
    providers = [provider("a"), provider("b"), provider("x", 900, priority=1), provider("y", 100, priority=1)]

    assert names(providers, 0.6, 0.0, 0.95, 0.0) == "bayx"


def test_provider_order_leaves_out_weight_0() -> None:
    assert names([provider("a", 0), provider("b")], 0.0) == "b"


def test_provider_order_of_one_provider() -> None:
    assert names([provider("a")], 0.999) == "a"


AGAIN_LATER = {"provider_rate_limited", "provider_unavailable", "provider_stream_broken"}
NOT_AGAIN = {
    "provider_auth_failed",
    "provider_quota_exhausted",
    "provider_model_not_found",
    "first_token_timeout",
    "unsupported_by_provider",
    "context_length_exceeded",
}


def failed(code: ErrorCode = "provider_unavailable", retry_after_s: float | None = None) -> ErrorDetail:
    return ErrorDetail(code, "words", None, retry_after_s)


def candidates(*names_: str, retries: int = 2) -> RetryPlan:
    return RetryPlan([provider(name) for name in names_], retries, draws(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0))


@pytest.mark.parametrize("code", get_args(ErrorCode))
def test_retry_plan_decides_each_code(code: ErrorCode) -> None:
    expected = (
        Verdict.AGAIN_LATER if code in AGAIN_LATER else Verdict.NOT_AGAIN if code in NOT_AGAIN else Verdict.GIVE_UP
    )

    assert candidates("a").record_failure(provider("a"), failed(code), 0.0) is expected


def test_retry_plan_table_names_only_existing_codes() -> None:
    assert set(AFTER) <= set(get_args(ErrorCode))


def test_retry_plan_tries_the_next_provider_first_and_the_same_after_its_pause() -> None:
    left = candidates("a", "b")
    tried: list[tuple[str, float]] = []
    now = 0.0
    while (choice := left.next(now)) is not None:
        now += choice.wait_s
        tried.append((choice.provider.name, round(now, 3)))
        left.record_failure(choice.provider, failed(), now)

    assert tried == [("a", 0.0), ("b", 0.0), ("a", 0.25), ("b", 0.25), ("a", 0.75), ("b", 0.75)]


def test_retry_plan_prefers_another_provider_to_a_pause() -> None:
    left = candidates("a", "b")
    left.record_failure(provider("a"), failed("provider_rate_limited", 7.0), 0.0)

    choice = left.next(0.0)
    assert choice is not None
    assert (choice.provider.name, choice.wait_s) == ("b", 0.0)


def test_retry_plan_prefers_fewer_tries() -> None:
    left = candidates("a", "b")
    left.record_failure(provider("a"), failed("provider_rate_limited", 0.0), 0.0)

    choice = left.next(0.0)
    assert choice is not None
    assert choice.provider.name == "b"


@pytest.mark.parametrize(("retries", "calls"), [(0, 1), (1, 2), (2, 3)])
def test_retry_plan_limits_the_tries_of_a_provider(retries: int, calls: int) -> None:
    left, count, now = candidates("a", retries=retries), 0, 0.0
    while (choice := left.next(now)) is not None:
        now += choice.wait_s
        count += 1
        left.record_failure(choice.provider, failed(), now)

    assert count == calls


@pytest.mark.parametrize(
    ("retry_after_s", "verdict"),
    [
        (None, Verdict.AGAIN_LATER),
        (0.0, Verdict.AGAIN_LATER),
        (RETRY_WAIT_MAX_S, Verdict.AGAIN_LATER),
        (RETRY_WAIT_MAX_S + 0.1, Verdict.NOT_AGAIN),
    ],
)
def test_retry_plan_drops_a_provider_with_a_long_retry_after(retry_after_s: float | None, verdict: Verdict) -> None:
    assert candidates("a").record_failure(provider("a"), failed("provider_rate_limited", retry_after_s), 0.0) is verdict


@pytest.mark.parametrize("retry_after_s", [0.01, 0.3, 8.0])
def test_retry_pause_is_the_providers_retry_after(retry_after_s: float) -> None:
    assert pause_s(ErrorDetail("provider_rate_limited", "w", None, retry_after_s), 3, draws()) == retry_after_s


@pytest.mark.parametrize("retry_after_s", [0.0, -5.0])
def test_retry_pause_of_retry_after_0_is_the_ordinary_one(retry_after_s: float) -> None:
    error = ErrorDetail("provider_rate_limited", "w", None, retry_after_s)

    assert pause_s(error, 1, draws(0.0)) == 0.125


@pytest.mark.parametrize(
    ("tries", "shortest", "longest"), [(1, 0.125, 0.25), (2, 0.25, 0.5), (5, 2.0, 4.0), (6, 2.0, 4.0), (99, 2.0, 4.0)]
)
def test_retry_pause_doubles_up_to_a_bound_with_jitter(tries: int, shortest: float, longest: float) -> None:
    error = ErrorDetail("provider_unavailable", "words")

    assert pause_s(error, tries, draws(0.0)) == shortest
    assert pause_s(error, tries, draws(1.0)) == longest
