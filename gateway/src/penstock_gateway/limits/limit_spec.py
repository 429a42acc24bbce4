"""The limits that apply to a request, and what the request uses of them for certain. No clock, no broker."""

from typing import Final

from msgspec import Struct

from penstock_contract import subjects
from penstock_contract.catalogue import CatalogueEntry
from penstock_contract.limits.api_keys import KeyRecord
from penstock_contract.limits.lease_record import Quota
from penstock_contract.request.operations import Operation
from penstock_contract.usage.money import picos
from penstock_gateway.limits.concurrency_slots import QUEUE

STREAMS = "streams"
CACHED_MAX: Final = 4096


class LimitSpec(Struct, frozen=True):
    """The limits of one owner: `quotas` by meter, `slots` by resource. Messages to clients contain `owner`."""

    owner: str
    quotas: dict[str, Quota]
    slots: dict[str, int]


class UpfrontUse(Struct, frozen=True):
    """The certain use of a request: its input, by the gateway's own count and the lowest price.

    `unit` is the price of a token of its answer, 0 if the request is free.
    """

    tokens: int
    money: int
    unit: int

    def of(self, meter: str) -> int:
        """The amount of a meter that must be available. One token is enough: the next minute pays a debt."""
        return self.money if meter == "money" else 0


Wanted = tuple[str, LimitSpec, list[str]]
"""The name of a lease record, its limits, and the slots of it that a request takes."""


class RequestLimits(Struct, frozen=True):
    """The limits of the requests of one key for one route, and the route's prices in picos per token."""

    key: KeyRecord | None
    entry: CatalogueEntry
    wanted: tuple[Wanted, ...]
    slots: tuple[list[str], ...]
    """Those of `wanted`."""
    input_rate: int
    unit: int

    def upfront(self, operation: Operation) -> UpfrontUse:
        """At the cheapest provider's price: the provider is chosen later, and the dearest might reject what fits."""
        tokens = operation.input_tokens
        return UpfrontUse(tokens, tokens * self.input_rate, self.unit)


class LimitCache:
    """The limits of each pair of key and route, computed again when the key or the route was replaced."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], RequestLimits] = {}

    def find(self, key: KeyRecord | None, entry: CatalogueEntry) -> RequestLimits:
        name = "" if key is None else key.id, entry.key
        found = self._found.get(name)
        if found is None or found.key is not key or found.entry is not entry:
            if len(self._found) >= CACHED_MAX:
                self._found.clear()
            found = self._found[name] = limits_of(key, entry)
        return found


def limits_of(key: KeyRecord | None, entry: CatalogueEntry) -> RequestLimits:
    rates = [provider.rates for provider in entry.spec.providers]
    wanted = tuple(wanted for wanted in (of_key(key, entry), of_route(entry)) if wanted[1].quotas or wanted[1].slots)
    return RequestLimits(
        key=key,
        entry=entry,
        wanted=wanted,
        slots=tuple(slots for _, _, slots in wanted),
        input_rate=min(one.input for one in rates),
        unit=max(max(one.input, one.output) for one in rates),
    )


def of_key(key: KeyRecord | None, entry: CatalogueEntry) -> Wanted:
    if key is None:
        return "", LimitSpec("", {}, {}), []
    limits = key.limits
    quotas, slots = _limits(limits.requests_per_minute, limits.tokens_per_minute, limits.concurrent_streams)
    if key.budget is not None:
        quotas["money"] = Quota(picos(key.budget.amount), key.budget.period)
    if limits.queue_share_percent is not None:
        depth = entry.spec.limits.queue_depth
        slots[f"{QUEUE}{entry.key}"] = max(1, depth * limits.queue_share_percent // 100)
    return subjects.key_account(key.id), LimitSpec("the API key", quotas, slots), list(slots)


def of_route(entry: CatalogueEntry) -> Wanted:
    limits = entry.spec.limits
    quotas, slots = _limits(limits.requests_per_minute, limits.tokens_per_minute, limits.concurrent_streams)
    return (
        subjects.route_account(entry.namespace, entry.name),
        LimitSpec("the model's route", quotas, slots),
        list(slots),
    )


def _limits(requests: int | None, tokens: int | None, streams: int | None) -> tuple[dict[str, Quota], dict[str, int]]:
    quotas = {"requests": requests, "tokens": tokens}
    return (
        {meter: Quota(limit) for meter, limit in quotas.items() if limit is not None},
        {} if streams is None else {STREAMS: streams},
    )
