"""Whose accounts a request needs, on which terms, and what it is going to use of them for certain. Pure."""

from msgspec import Struct

from penstock_contract import subjects
from penstock_contract.catalogue import CatalogueEntry
from penstock_contract.limits.keys import KeyRecord
from penstock_contract.limits.lease_record import Quota
from penstock_contract.request.operations import Operation
from penstock_contract.usage.money import picos
from penstock_contract.usage.record import estimate_input_tokens
from penstock_gateway.limits.concurrency_slots import QUEUE

STREAMS = "streams"


class Terms(Struct, frozen=True):
    """Whose account it is, in words for a client, and its limits: `quotas` by meter, `places` by resource."""

    owner: str
    quotas: dict[str, Quota]
    places: dict[str, int]


class Upfront(Struct, frozen=True):
    """What a request is going to use for certain when it comes in: its input, by our own count and the lowest price.

    `unit` is the price of a token of its answer, 0 if it needs no money.
    """

    tokens: int
    money: int
    unit: int

    def of(self, meter: str) -> int:
        """How much of a meter there has to be for it; of tokens one is enough, as the next minute pays a debt."""
        return self.money if meter == "money" else 0


def upfront_of(entry: CatalogueEntry, operation: Operation) -> Upfront:
    """At the price of the cheapest provider: who answers is not known, and the dearest might refuse what fits."""
    rates = [provider.rates for provider in entry.spec.providers]
    tokens = estimate_input_tokens(operation)
    return Upfront(tokens, tokens * min(one.input for one in rates), max(max(one.input, one.output) for one in rates))


Wanted = tuple[str, Terms, list[str]]
"""An account by name, its terms, and the places in it that a request takes."""


def of_key(key: KeyRecord | None, entry: CatalogueEntry) -> Wanted:
    if key is None:
        return "", Terms("nobody", {}, {}), []
    limits = key.limits
    quotas, places = _limits(limits.requests_per_minute, limits.tokens_per_minute, limits.concurrent_streams)
    if key.budget is not None:
        quotas["money"] = Quota(picos(key.budget.amount), key.budget.period)
    if limits.queue_share_percent is not None:
        depth = entry.spec.limits.queue_depth
        places[f"{QUEUE}{entry.key}"] = max(1, depth * limits.queue_share_percent // 100)
    return subjects.key_account(key.id), Terms("the API key", quotas, places), list(places)


def of_route(entry: CatalogueEntry) -> Wanted:
    limits = entry.spec.limits
    quotas, places = _limits(limits.requests_per_minute, limits.tokens_per_minute, limits.concurrent_streams)
    return subjects.route_account(entry.namespace, entry.name), Terms("the model's route", quotas, places), list(places)


def _limits(requests: int | None, tokens: int | None, streams: int | None) -> tuple[dict[str, Quota], dict[str, int]]:
    quotas = {"requests": requests, "tokens": tokens}
    return (
        {meter: Quota(limit) for meter, limit in quotas.items() if limit is not None},
        {} if streams is None else {STREAMS: streams},
    )
