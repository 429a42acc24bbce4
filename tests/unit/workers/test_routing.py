"""Which provider next, and after which failure."""

from collections.abc import Callable, Iterator
from typing import get_args

import pytest

from penstock_contract.errors import ErrorCode, ErrorDetail
from penstock_contract.route.spec import ProviderSpec
from penstock_worker.sessions.circuit_breaker import COOLING, CircuitBreaker
from penstock_worker.sessions.retry_plan import AFTER, RETRY_AFTER_MAX_S, RetryPlan, Verdict, order, pause_s


def provider(name: str, weight: int = 1, priority: int = 0) -> ProviderSpec:
    return ProviderSpec(name=name, type="OpenAI", weight=weight, priority=priority)


def draws(*numbers: float) -> Callable[[], float]:
    """A draw that gives these numbers; one more is an error of the test."""
    left: Iterator[float] = iter(numbers)
    return lambda: next(left)


def names(providers: list[ProviderSpec], *numbers: float) -> str:
    return "".join(one.name for one in order(providers, draws(*numbers)))


@pytest.mark.parametrize(
    ("draw", "first"),
    [(0.0, "a"), (0.1999, "a"), (0.2, "b"), (0.4999, "b"), (0.5, "c"), (1 - 2**-53, "c")],
)
def test_a_provider_is_drawn_by_its_share_of_the_weights(draw: float, first: str) -> None:
    assert names([provider("a", 2), provider("b", 3), provider("c", 5)], draw, 0, 0)[0] == first


@pytest.mark.parametrize(
    ("first", "second", "sequence"),
    [(0.0, 0.0, "abc"), (0.0, 0.374, "abc"), (0.0, 0.375, "acb"), (0.5, 0.0, "cab"), (0.5, 0.4, "cba")],
)
def test_the_others_of_a_priority_are_drawn_among_those_left(first: float, second: float, sequence: str) -> None:
    assert names([provider("a", 2), provider("b", 3), provider("c", 5)], first, second, 0.0) == sequence


def test_a_lower_priority_number_is_always_tried_first() -> None:
    providers = [provider("c", 1000, priority=2), provider("b", 1, priority=1), provider("a", 1, priority=0)]

    assert names(providers, 0.99, 0.99, 0.99) == "abc"


def test_weights_count_only_within_their_priority() -> None:
    providers = [provider("a"), provider("b"), provider("x", 900, priority=1), provider("y", 100, priority=1)]

    assert names(providers, 0.6, 0.0, 0.95, 0.0) == "bayx"


def test_a_provider_of_weight_0_is_never_tried() -> None:
    assert names([provider("a", 0), provider("b")], 0.0) == "b"


def test_one_provider_is_the_whole_order() -> None:
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
def test_a_failure_calls_for_another_try_later_or_for_somebody_else_or_for_nobody(code: ErrorCode) -> None:
    expected = (
        Verdict.AGAIN_LATER if code in AGAIN_LATER else Verdict.NOT_AGAIN if code in NOT_AGAIN else Verdict.GIVE_UP
    )

    assert candidates("a").record_failure(provider("a"), failed(code), 0.0) is expected


def test_the_table_names_only_codes_that_exist() -> None:
    assert set(AFTER) <= set(get_args(ErrorCode))


def test_the_next_provider_is_tried_at_once_and_the_first_again_when_its_pause_is_over() -> None:
    left = candidates("a", "b")
    tried: list[tuple[str, float]] = []
    now = 0.0
    while (choice := left.next(now)) is not None:
        now += choice.wait_s
        tried.append((choice.provider.name, round(now, 3)))
        left.record_failure(choice.provider, failed(), now)

    assert tried == [("a", 0.0), ("b", 0.0), ("a", 0.25), ("b", 0.25), ("a", 0.75), ("b", 0.75)]


def test_a_provider_that_names_a_pause_is_not_waited_for_while_another_is_left() -> None:
    left = candidates("a", "b")
    left.record_failure(provider("a"), failed("provider_rate_limited", 7.0), 0.0)

    choice = left.next(0.0)
    assert choice is not None
    assert (choice.provider.name, choice.wait_s) == ("b", 0.0)


def test_a_provider_that_may_be_tried_again_at_once_still_lets_the_others_go_first() -> None:
    left = candidates("a", "b")
    left.record_failure(provider("a"), failed("provider_rate_limited", 0.0), 0.0)

    choice = left.next(0.0)
    assert choice is not None
    assert choice.provider.name == "b"


@pytest.mark.parametrize(("retries", "calls"), [(0, 1), (1, 2), (2, 3)])
def test_a_provider_is_tried_again_as_often_as_the_route_says(retries: int, calls: int) -> None:
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
        (RETRY_AFTER_MAX_S, Verdict.AGAIN_LATER),
        (RETRY_AFTER_MAX_S + 0.1, Verdict.NOT_AGAIN),
    ],
)
def test_a_provider_that_asks_for_a_long_pause_is_not_waited_for(retry_after_s: float | None, verdict: Verdict) -> None:
    assert candidates("a").record_failure(provider("a"), failed("provider_rate_limited", retry_after_s), 0.0) is verdict


def test_a_provider_that_failed_is_asked_last_until_it_has_cooled_down() -> None:
    breaker, both = CircuitBreaker(), [provider("a"), provider("b")]
    breaker.record_failure(both[0], failed(), 100.0)

    assert [one.name for one in breaker.order(both, 104.9)] == ["b", "a"]
    assert [one.name for one in breaker.order(both, 105.0)] == ["a", "b"]


def test_one_request_alone_finds_out_whether_a_provider_is_well_again() -> None:
    breaker, both = CircuitBreaker(), [provider("a"), provider("b")]
    breaker.record_failure(both[0], failed(), 0.0)
    breaker.begin_try(both[0], 5.0)

    assert [one.name for one in breaker.order(both, 5.0)] == ["b", "a"]
    breaker.record_success(both[0])
    assert [one.name for one in breaker.order(both, 5.0)] == ["a", "b"]


def test_cooling_lasts_longer_each_time_up_to_a_bound() -> None:
    breaker, both = CircuitBreaker(), [provider("a"), provider("b")]
    lasted = []
    for _ in range(6):
        breaker.record_failure(both[0], failed(), 0.0)
        lasted.append(next(second for second in range(100) if breaker.order(both, float(second)) == both))

    assert lasted == [5, 10, 20, 40, 60, 60]


def test_a_request_that_a_provider_cannot_serve_says_nothing_about_its_health() -> None:
    breaker, both = CircuitBreaker(), [provider("a"), provider("b")]
    breaker.record_failure(both[0], failed("context_length_exceeded"), 0.0)

    assert breaker.order(both, 0.0) == both


@pytest.mark.parametrize("retry_after_s", [0.01, 0.3, 8.0])
def test_the_pause_is_the_one_that_the_provider_asked_for(retry_after_s: float) -> None:
    assert pause_s(ErrorDetail("provider_rate_limited", "w", None, retry_after_s), 3, draws()) == retry_after_s


@pytest.mark.parametrize("retry_after_s", [0.0, -5.0])
def test_a_provider_that_asks_for_no_pause_gets_the_ordinary_one(retry_after_s: float) -> None:
    error = ErrorDetail("provider_rate_limited", "w", None, retry_after_s)

    assert pause_s(error, 1, draws(0.0)) == 0.125


@pytest.mark.parametrize("code", sorted(set(get_args(ErrorCode)) - COOLING), ids=str)
def test_a_fault_of_the_request_neither_cools_a_provider_down_nor_fails_its_probe(code: ErrorCode) -> None:
    breaker, both = CircuitBreaker(), [provider("a"), provider("b")]
    breaker.record_failure(both[0], failed(), 0.0)
    breaker.begin_try(both[0], 5.0)
    assert breaker.order(both, 5.0) == [both[1], both[0]], "the probe has it alone"

    breaker.record_failure(both[0], failed(code), 5.1)

    assert breaker.order(both, 5.1) == both, "the next request may probe it"
    breaker.record_failure(both[0], failed(), 5.2)
    assert breaker.order(both, 15.1) == [both[1], both[0]], "its first failure still counts: 10 s, not 5"


def test_a_fault_of_a_request_does_not_end_the_cooling_before_its_time() -> None:
    breaker, both = CircuitBreaker(), [provider("a"), provider("b")]
    breaker.record_failure(both[0], failed(), 0.0)
    breaker.begin_try(both[0], 1.0)
    breaker.record_failure(both[0], failed("provider_rejected"), 1.1)

    assert breaker.order(both, 4.9) == [both[1], both[0]]
    assert breaker.order(both, 5.0) == both


def test_a_probe_that_was_stopped_leaves_the_next_request_to_probe() -> None:
    breaker, both = CircuitBreaker(), [provider("a"), provider("b")]
    breaker.record_failure(both[0], failed(), 0.0)
    breaker.begin_try(both[0], 6.0)
    breaker.release_probe(both[0])

    assert breaker.order(both, 6.0) == both


@pytest.mark.parametrize(
    ("tries", "shortest", "longest"), [(1, 0.125, 0.25), (2, 0.25, 0.5), (5, 2.0, 4.0), (6, 2.0, 4.0), (99, 2.0, 4.0)]
)
def test_the_pause_doubles_up_to_a_bound_with_half_of_it_left_to_chance(
    tries: int, shortest: float, longest: float
) -> None:
    error = ErrorDetail("provider_unavailable", "words")

    assert pause_s(error, tries, draws(0.0)) == shortest
    assert pause_s(error, tries, draws(1.0)) == longest
