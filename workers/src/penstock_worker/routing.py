"""Which provider next, and after which failure: pure decisions, made before the first event only.

Providers of the lowest priority number first; within a priority a weighted draw decides the order, so that the
others of the tier are its first fallbacks.
"""

from collections.abc import Callable, Sequence
from enum import Enum

from penstock_contract.errors import ErrorCode, ErrorDetail
from penstock_contract.route import ProviderSpec

BACKOFF_FIRST_S = 0.25
BACKOFF_MAX_S = 4.0
RETRY_AFTER_MAX_S = 8.0
"""A provider that asks for a longer pause is not waited for: the next one is tried, or the client is told."""


class Next(Enum):
    SAME_PROVIDER = "same provider"
    NEXT_PROVIDER = "next provider"
    GIVE_UP = "give up"


AFTER: dict[ErrorCode, Next] = {
    "provider_rate_limited": Next.SAME_PROVIDER,
    "provider_unavailable": Next.SAME_PROVIDER,
    "provider_stream_broken": Next.SAME_PROVIDER,
    "provider_auth_failed": Next.NEXT_PROVIDER,
    "provider_model_not_found": Next.NEXT_PROVIDER,
    "first_token_timeout": Next.NEXT_PROVIDER,
    "unsupported_by_provider": Next.NEXT_PROVIDER,
    "context_length_exceeded": Next.NEXT_PROVIDER,
}
"""What a failure before the first event calls for; what is not listed would fail the same way everywhere."""


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


def after(error: ErrorDetail, tries: int, retries: int) -> Next:
    """What to do when try number `tries` (from 1) of a provider failed with `error`."""
    decision = AFTER.get(error.code, Next.GIVE_UP)
    if decision is Next.SAME_PROVIDER and (tries > retries or (error.retry_after_s or 0) > RETRY_AFTER_MAX_S):
        return Next.NEXT_PROVIDER
    return decision


def pause_s(error: ErrorDetail, tries: int, draw: Callable[[], float]) -> float:
    """How long to wait before the same provider is tried again: what it asked for, else exponential with jitter."""
    if error.retry_after_s is not None:
        return error.retry_after_s
    ceiling = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2.0 ** (tries - 1))
    return float(ceiling * (0.5 + draw() / 2))
