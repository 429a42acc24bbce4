"""Order of a request's provider calls, and the decision after a failed one. Pure; applies before the first event only.

Providers with the lowest priority number come first; within a priority a weighted draw decides the order. After a
transient failure the next provider is tried immediately. The same provider is retried after its pause, when no other
provider can be tried earlier.
"""

from collections.abc import Callable, Sequence
from enum import Enum

from msgspec import Struct

from penstock_contract.error_codes import ErrorCode
from penstock_contract.errors import ErrorDetail
from penstock_contract.route.provider import ProviderSpec

BACKOFF_FIRST_S = 0.25
BACKOFF_MAX_S = 4.0
RETRY_WAIT_MAX_S = 8.0
"""A longer `Retry-After` is not waited for: another provider is tried, or the request fails."""


class Verdict(Enum):
    AGAIN_LATER = "again later"
    NOT_AGAIN = "not again"
    GIVE_UP = "give up"


AFTER: dict[ErrorCode, Verdict] = {
    "provider_rate_limited": Verdict.AGAIN_LATER,
    "provider_unavailable": Verdict.AGAIN_LATER,
    "provider_stream_broken": Verdict.AGAIN_LATER,
    "provider_auth_failed": Verdict.NOT_AGAIN,
    "provider_quota_exhausted": Verdict.NOT_AGAIN,
    "provider_model_not_found": Verdict.NOT_AGAIN,
    "first_token_timeout": Verdict.NOT_AGAIN,
    "unsupported_by_provider": Verdict.NOT_AGAIN,
    "context_length_exceeded": Verdict.NOT_AGAIN,
}
"""Verdict on the provider after a failure before the first event. Codes not listed would fail at every provider."""


def order(providers: Sequence[ProviderSpec], draw: Callable[[], float]) -> list[ProviderSpec]:
    """All providers with a non-zero weight, in the order to try them. `draw` returns numbers in [0, 1)."""
    ordered: list[ProviderSpec] = []
    for priority in sorted({provider.priority for provider in providers}):
        tier = [provider for provider in providers if provider.priority == priority and provider.weight > 0]
        while tier:
            point = draw() * sum(provider.weight for provider in tier)
            for provider in tier:
                point -= provider.weight
                if point < 0:
                    break
            ordered.append(provider)
            tier.remove(provider)
    return ordered


def pause_s(error: ErrorDetail, tries: int, draw: Callable[[], float]) -> float:
    """Pause before the next try of the same provider: its `Retry-After`, else exponential backoff with jitter.

    `Retry-After: 0` gets the ordinary backoff.
    """
    if error.retry_after_s is not None and error.retry_after_s > 0:
        return error.retry_after_s
    ceiling = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2.0 ** (tries - 1))
    return float(ceiling * (0.5 + draw() / 2))


class NextTry(Struct, frozen=True):
    """Call `provider` after `wait_s`."""

    provider: ProviderSpec
    wait_s: float


class RetryPlan:
    """The providers that one request may still call; `retries` is the number of further tries of each provider."""

    def __init__(self, ordered: Sequence[ProviderSpec], retries: int, draw: Callable[[], float]) -> None:
        self._left = list(ordered)
        self._retries = retries
        self._draw = draw
        self._tries: dict[str, int] = {}
        self._ready_at: dict[str, float] = {}

    def next(self, now: float) -> NextTry | None:
        """The provider with the shortest wait, then the fewest tries, then the first place; None if none is left."""
        if not self._left:
            return None
        provider = min(self._left, key=lambda left: (self._wait_s(left, now), self._tries.get(left.name, 0)))
        return NextTry(provider, self._wait_s(provider, now))

    def record_failure(self, provider: ProviderSpec, error: ErrorDetail, now: float) -> Verdict:
        """Record a failed try. After `GIVE_UP` no other provider should be tried."""
        verdict = AFTER.get(error.code, Verdict.GIVE_UP)
        tries = self._tries[provider.name] = self._tries.get(provider.name, 0) + 1
        pause = pause_s(error, tries, self._draw)
        if verdict is Verdict.AGAIN_LATER and (tries > self._retries or pause > RETRY_WAIT_MAX_S):
            verdict = Verdict.NOT_AGAIN
        if verdict is Verdict.AGAIN_LATER:
            self._ready_at[provider.name] = now + pause
        else:
            self._left.remove(provider)
        return verdict

    def _wait_s(self, provider: ProviderSpec, now: float) -> float:
        return max(0.0, self._ready_at.get(provider.name, 0.0) - now)
