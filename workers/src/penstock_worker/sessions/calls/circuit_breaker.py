"""State of the route's providers between requests: a provider that failed recently is tried last. Pure.

After its cooling time a single request probes the provider; its success closes the circuit.
"""

from collections.abc import Sequence

from penstock_contract.error_codes import ErrorCode
from penstock_contract.errors import ErrorDetail
from penstock_contract.route.provider import ProviderSpec
from penstock_worker.sessions.calls.retry_plan import AFTER

COOLING_FIRST_S = 5.0
COOLING_MAX_S = 60.0
FAILING_MIN = 2
"""Failed calls in a row after which a provider counts as failing: a provider with a fallback is called once more after
`COOLING_FIRST_S`, and then after twice that time."""
PROBE_S = 30.0
"""Longest time for which one request probes a provider alone."""

COOLING: frozenset[ErrorCode] = frozenset(AFTER) - {"unsupported_by_provider", "context_length_exceeded"}
"""Failures caused by the provider's state, which the next request would meet too. Any other failure is caused by the
request itself: it neither cools a provider down nor counts as a failed probe."""


class CircuitBreaker:
    """One per version of the route's providers. Times are monotonic."""

    def __init__(self) -> None:
        self._failures: dict[str, int] = {}
        self._cool_until: dict[str, float] = {}
        self._before_probe: dict[str, float] = {}
        self._refusing: set[str] = set()

    def order(self, ordered: Sequence[ProviderSpec], now: float) -> list[ProviderSpec]:
        """The same order, with the providers that are cooling down last."""
        return sorted(ordered, key=lambda provider: now < self._cool_until.get(provider.name, now))

    def begin_try(self, provider: ProviderSpec, now: float) -> None:
        """Reserve the probe of a provider that has cooled down for this request."""
        if provider.name in self._failures:
            until = self._cool_until[provider.name]
            self._before_probe.setdefault(provider.name, until)
            self._cool_until[provider.name] = max(until, now + PROBE_S)

    def record_failure(self, provider: ProviderSpec, error: ErrorDetail, now: float) -> None:
        if error.code == "provider_auth_failed":
            self._refusing.add(provider.name)
        if error.code not in COOLING:
            self.release_probe(provider)
            return
        self._before_probe.pop(provider.name, None)
        failures = self._failures[provider.name] = self._failures.get(provider.name, 0) + 1
        cooling = error.retry_after_s or COOLING_FIRST_S * 2.0 ** (failures - 1)
        self._cool_until[provider.name] = now + min(COOLING_MAX_S, cooling)

    def release_probe(self, provider: ProviderSpec) -> None:
        """End a probe without a result: the next request may probe the provider."""
        before = self._before_probe.pop(provider.name, None)
        if before is not None:
            self._cool_until[provider.name] = before

    def record_success(self, provider: ProviderSpec) -> None:
        self._before_probe.pop(provider.name, None)
        self._failures.pop(provider.name, None)
        self._cool_until.pop(provider.name, None)
        self._refusing.discard(provider.name)

    def refusing_keys(self) -> list[str]:
        """Names of the providers that refused the worker's key and have accepted no call since."""
        return sorted(self._refusing)

    def failing(self) -> list[str]:
        """Names of the providers of which at least the last `FAILING_MIN` calls failed by their own fault."""
        return sorted(name for name, failures in self._failures.items() if failures >= FAILING_MIN)

    def reset(self, provider: ProviderSpec) -> None:
        """Drop the provider's state, because its key has changed."""
        self.record_success(provider)
