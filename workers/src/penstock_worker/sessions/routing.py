"""Which provider next, and after which failure: pure decisions, made before the first event only.

Providers of the lowest priority number first; within a priority a weighted draw decides the order. A failure that may
pass sends the request to the next provider at once; a provider is tried again only after its pause, when no other is
left to try before. One that failed lately is asked last, until a single request has found it well again.
"""

from collections.abc import Callable, Sequence
from enum import Enum

from msgspec import Struct

from penstock_contract.errors import ErrorCode, ErrorDetail
from penstock_contract.route.provider import ProviderSpec

BACKOFF_FIRST_S = 0.25
BACKOFF_MAX_S = 4.0
RETRY_AFTER_MAX_S = 8.0
"""A provider that asks for a longer pause is not waited for: another one is tried, or the client is told."""
COOLING_FIRST_S = 5.0
COOLING_MAX_S = 60.0
PROBE_S = 30.0
"""How long one request may find out whether a provider is well again, before another one may."""


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
"""What a failure before the first event means for its provider. What is not listed would fail the same everywhere."""

COOLING: frozenset[ErrorCode] = frozenset(AFTER) - {"unsupported_by_provider", "context_length_exceeded"}
"""Failures that the next request would see too: they are the provider's state, not this request's. Any other failure
is the request's own fault: it neither cools a provider down nor counts as a failed probe."""


def order(providers: Sequence[ProviderSpec], draw: Callable[[], float]) -> list[ProviderSpec]:
    """All providers of non-zero weight in the order to try them. `draw` gives numbers in [0, 1)."""
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
    """How long to wait before the same provider is tried again: what it asked for, else exponential with jitter.

    A provider that asks for no pause at all (`Retry-After: 0`) gets the ordinary one.
    """
    if error.retry_after_s is not None and error.retry_after_s > 0:
        return error.retry_after_s
    ceiling = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2.0 ** (tries - 1))
    return float(ceiling * (0.5 + draw() / 2))


class Choice(Struct, frozen=True):
    """Try `provider` after `wait_s`."""

    provider: ProviderSpec
    wait_s: float


class Candidates:
    """The providers that one request may still try; `retries` counts further tries of each. Times are in seconds."""

    def __init__(self, ordered: Sequence[ProviderSpec], retries: int, draw: Callable[[], float]) -> None:
        self._left = list(ordered)
        self._retries = retries
        self._draw = draw
        self._tries: dict[str, int] = {}
        self._ready_at: dict[str, float] = {}

    def next(self, now: float) -> Choice | None:
        """Whoever can be tried soonest, of these the least tried, of these the first; None when nobody is left."""
        if not self._left:
            return None
        provider = min(self._left, key=lambda left: (self._wait_s(left, now), self._tries.get(left.name, 0)))
        return Choice(provider, self._wait_s(provider, now))

    def failed(self, provider: ProviderSpec, error: ErrorDetail, now: float) -> Verdict:
        """Take note of a failed try; after `GIVE_UP` there is no sense in trying anybody."""
        verdict = AFTER.get(error.code, Verdict.GIVE_UP)
        tries = self._tries[provider.name] = self._tries.get(provider.name, 0) + 1
        pause = pause_s(error, tries, self._draw)
        if verdict is Verdict.AGAIN_LATER and (tries > self._retries or pause > RETRY_AFTER_MAX_S):
            verdict = Verdict.NOT_AGAIN
        if verdict is Verdict.AGAIN_LATER:
            self._ready_at[provider.name] = now + pause
        else:
            self._left.remove(provider)
        return verdict

    def _wait_s(self, provider: ProviderSpec, now: float) -> float:
        return max(0.0, self._ready_at.get(provider.name, 0.0) - now)


class Health:
    """What a worker remembers of its providers between requests."""

    def __init__(self) -> None:
        self._failures: dict[str, int] = {}
        self._cool_until: dict[str, float] = {}
        self._before_probe: dict[str, float] = {}
        self._refusing: set[str] = set()

    def order(self, ordered: Sequence[ProviderSpec], now: float) -> list[ProviderSpec]:
        """The same order, with those that are cooling down last."""
        return sorted(ordered, key=lambda provider: now < self._cool_until.get(provider.name, now))

    def trying(self, provider: ProviderSpec, now: float) -> None:
        """A provider that has cooled down is probed by this request alone."""
        if provider.name in self._failures:
            until = self._cool_until[provider.name]
            self._before_probe.setdefault(provider.name, until)
            self._cool_until[provider.name] = max(until, now + PROBE_S)

    def failed(self, provider: ProviderSpec, error: ErrorDetail, now: float) -> None:
        if error.code == "provider_auth_failed":
            self._refusing.add(provider.name)
        if error.code not in COOLING:
            self.released(provider)
            return
        self._before_probe.pop(provider.name, None)
        failures = self._failures[provider.name] = self._failures.get(provider.name, 0) + 1
        cooling = error.retry_after_s or COOLING_FIRST_S * 2.0 ** (failures - 1)
        self._cool_until[provider.name] = now + min(COOLING_MAX_S, cooling)

    def released(self, provider: ProviderSpec) -> None:
        """End a probe that showed nothing, bad or good, of the provider: the next request may make another."""
        before = self._before_probe.pop(provider.name, None)
        if before is not None:
            self._cool_until[provider.name] = before

    def succeeded(self, provider: ProviderSpec) -> None:
        self._before_probe.pop(provider.name, None)
        self._failures.pop(provider.name, None)
        self._cool_until.pop(provider.name, None)
        self._refusing.discard(provider.name)

    def refusing_keys(self) -> list[str]:
        """Names of the providers that refused the worker's key and have accepted no call since."""
        return sorted(self._refusing)

    def key_changed(self, provider: ProviderSpec) -> None:
        """Forget what was known of the provider with its former key."""
        self.succeeded(provider)
