"""Which provider next, and after which failure."""

from collections.abc import Callable, Iterator
from typing import get_args

import pytest

from penstock_contract.errors import ErrorCode, ErrorDetail
from penstock_contract.route import ProviderSpec
from penstock_worker.routing import AFTER, RETRY_AFTER_MAX_S, Next, after, order, pause_s


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


SAME_PROVIDER = {"provider_rate_limited", "provider_unavailable", "provider_stream_broken"}
NEXT_PROVIDER = {
    "provider_auth_failed",
    "provider_model_not_found",
    "first_token_timeout",
    "unsupported_by_provider",
    "context_length_exceeded",
}


@pytest.mark.parametrize("code", get_args(ErrorCode))
def test_a_failure_calls_for_the_same_provider_or_the_next_or_for_nobody(code: ErrorCode) -> None:
    expected = (
        Next.SAME_PROVIDER if code in SAME_PROVIDER else Next.NEXT_PROVIDER if code in NEXT_PROVIDER else Next.GIVE_UP
    )

    assert after(ErrorDetail(code, "words"), tries=1, retries=2) is expected


def test_the_table_names_only_codes_that_exist() -> None:
    assert set(AFTER) <= set(get_args(ErrorCode))


@pytest.mark.parametrize(
    ("tries", "retries", "decision"),
    [
        (1, 0, Next.NEXT_PROVIDER),
        (1, 1, Next.SAME_PROVIDER),
        (2, 1, Next.NEXT_PROVIDER),
        (2, 2, Next.SAME_PROVIDER),
        (3, 2, Next.NEXT_PROVIDER),
    ],
)
def test_the_same_provider_is_tried_again_as_often_as_the_route_says(tries: int, retries: int, decision: Next) -> None:
    assert after(ErrorDetail("provider_unavailable", "words"), tries, retries) is decision


@pytest.mark.parametrize(
    ("retry_after_s", "decision"),
    [
        (None, Next.SAME_PROVIDER),
        (0.0, Next.SAME_PROVIDER),
        (RETRY_AFTER_MAX_S, Next.SAME_PROVIDER),
        (RETRY_AFTER_MAX_S + 0.1, Next.NEXT_PROVIDER),
    ],
)
def test_a_provider_that_asks_for_a_long_pause_is_not_waited_for(retry_after_s: float | None, decision: Next) -> None:
    error = ErrorDetail("provider_rate_limited", "words", None, retry_after_s)

    assert after(error, tries=1, retries=2) is decision


@pytest.mark.parametrize("retry_after_s", [0.0, 0.3, 8.0])
def test_the_pause_is_the_one_that_the_provider_asked_for(retry_after_s: float) -> None:
    assert pause_s(ErrorDetail("provider_rate_limited", "w", None, retry_after_s), 3, draws()) == retry_after_s


@pytest.mark.parametrize(
    ("tries", "shortest", "longest"), [(1, 0.125, 0.25), (2, 0.25, 0.5), (5, 2.0, 4.0), (6, 2.0, 4.0), (99, 2.0, 4.0)]
)
def test_the_pause_doubles_up_to_a_bound_with_half_of_it_left_to_chance(
    tries: int, shortest: float, longest: float
) -> None:
    error = ErrorDetail("provider_unavailable", "words")

    assert pause_s(error, tries, draws(0.0)) == shortest
    assert pause_s(error, tries, draws(1.0)) == longest
