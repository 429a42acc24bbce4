"""Circuit breaker: cooling of failed providers, and the probe of a single request."""

from typing import get_args

import pytest

from penstock_contract.error_codes import ErrorCode
from penstock_contract.errors import ErrorDetail
from penstock_contract.route.provider import ProviderSpec
from penstock_worker.sessions.calls.circuit_breaker import COOLING, CircuitBreaker


def provider(name: str) -> ProviderSpec:
    return ProviderSpec(name=name, type="OpenAI")


def failed(code: ErrorCode = "provider_unavailable", retry_after_s: float | None = None) -> ErrorDetail:
    return ErrorDetail(code, "words", None, retry_after_s)


def test_circuit_breaker_orders_a_failed_provider_last_while_it_cools_down() -> None:
    breaker, both = CircuitBreaker(), [provider("a"), provider("b")]
    breaker.record_failure(both[0], failed(), 100.0)

    assert [one.name for one in breaker.order(both, 104.9)] == ["b", "a"]
    assert [one.name for one in breaker.order(both, 105.0)] == ["a", "b"]


def test_circuit_breaker_lets_one_request_probe() -> None:
    breaker, both = CircuitBreaker(), [provider("a"), provider("b")]
    breaker.record_failure(both[0], failed(), 0.0)
    breaker.begin_try(both[0], 5.0)

    assert [one.name for one in breaker.order(both, 5.0)] == ["b", "a"]
    breaker.record_success(both[0])
    assert [one.name for one in breaker.order(both, 5.0)] == ["a", "b"]


def test_circuit_breaker_cools_longer_each_time_up_to_a_bound() -> None:
    breaker, both = CircuitBreaker(), [provider("a"), provider("b")]
    lasted = []
    for _ in range(6):
        breaker.record_failure(both[0], failed(), 0.0)
        lasted.append(next(second for second in range(100) if breaker.order(both, float(second)) == both))

    assert lasted == [5, 10, 20, 40, 60, 60]


def test_circuit_breaker_ignores_a_request_that_a_provider_cannot_serve() -> None:
    breaker, both = CircuitBreaker(), [provider("a"), provider("b")]
    breaker.record_failure(both[0], failed("context_length_exceeded"), 0.0)

    assert breaker.order(both, 0.0) == both


@pytest.mark.parametrize("code", sorted(set(get_args(ErrorCode)) - COOLING), ids=str)
def test_circuit_breaker_ignores_a_fault_of_the_request_in_a_probe(code: ErrorCode) -> None:
    breaker, both = CircuitBreaker(), [provider("a"), provider("b")]
    breaker.record_failure(both[0], failed(), 0.0)
    breaker.begin_try(both[0], 5.0)
    assert breaker.order(both, 5.0) == [both[1], both[0]], "the probe has it alone"

    breaker.record_failure(both[0], failed(code), 5.1)

    assert breaker.order(both, 5.1) == both, "the next request may probe it"
    breaker.record_failure(both[0], failed(), 5.2)
    assert breaker.order(both, 15.1) == [both[1], both[0]], "its first failure still counts: 10 s, not 5"


def test_circuit_breaker_does_not_end_the_cooling_after_a_fault_of_a_request() -> None:
    breaker, both = CircuitBreaker(), [provider("a"), provider("b")]
    breaker.record_failure(both[0], failed(), 0.0)
    breaker.begin_try(both[0], 1.0)
    breaker.record_failure(both[0], failed("provider_rejected"), 1.1)

    assert breaker.order(both, 4.9) == [both[1], both[0]]
    assert breaker.order(both, 5.0) == both


def test_circuit_breaker_releases_the_probe_of_a_stopped_request() -> None:
    breaker, both = CircuitBreaker(), [provider("a"), provider("b")]
    breaker.record_failure(both[0], failed(), 0.0)
    breaker.begin_try(both[0], 6.0)
    breaker.release_probe(both[0])

    assert breaker.order(both, 6.0) == both


def test_circuit_breaker_reports_a_provider_whose_calls_fail_in_a_row() -> None:
    breaker, both = CircuitBreaker(), [provider("a"), provider("b")]
    breaker.record_failure(both[0], failed(), 0.0)
    assert breaker.failing() == [], "one failure may be a coincidence"
    breaker.record_failure(both[1], failed("context_length_exceeded"), 0.0)
    breaker.record_failure(both[1], failed("context_length_exceeded"), 0.0)
    breaker.record_failure(both[0], failed("first_token_timeout"), 5.0)
    assert breaker.failing() == ["a"], "a fault of the request is none of the provider's"

    breaker.record_success(both[0])
    assert breaker.failing() == []
