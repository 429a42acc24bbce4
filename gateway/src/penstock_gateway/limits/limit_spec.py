"""The limits that apply to a request, and what the request uses of them for certain. Pure."""

from msgspec import Struct

from penstock_contract import subjects
from penstock_contract.catalogue import CatalogueEntry
from penstock_contract.limits.api_keys import KeyRecord
from penstock_contract.limits.lease_record import Quota
from penstock_contract.request.operations import Operation
from penstock_contract.usage.money import picos
from penstock_contract.usage.record import estimate_input_tokens
from penstock_gateway.limits.concurrency_slots import QUEUE

STREAMS = "streams"


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


def upfront_of(entry: CatalogueEntry, operation: Operation) -> UpfrontUse:
    """At the cheapest provider's price: the provider is chosen later, and the dearest might reject what fits."""
    rates = [provider.rates for provider in entry.spec.providers]
    tokens = estimate_input_tokens(operation)
    return UpfrontUse(
        tokens, tokens * min(one.input for one in rates), max(max(one.input, one.output) for one in rates)
    )


Wanted = tuple[str, LimitSpec, list[str]]
"""The name of a lease record, its limits, and the slots of it that a request takes."""


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
