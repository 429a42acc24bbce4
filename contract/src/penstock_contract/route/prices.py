"""The prices of a provider, and the rates that costs are computed with."""

from typing import Annotated

from msgspec import Meta

from penstock_contract.route.values import RouteStruct
from penstock_contract.usage.money import PerMillion, Rates, per_million


class PricesSpec(RouteStruct, frozen=True, kw_only=True):
    """Prices of a million tokens, as decimal text; an unset price is zero.

    `cachedInputPerMillion` and `cacheWriteInputPerMillion` default to the price of input.
    """

    input_per_million: Annotated[PerMillion, Meta(description="Price of a million input tokens.")] = "0"
    cached_input_per_million: Annotated[
        PerMillion | None,
        Meta(description="Price of a million input tokens read from the provider's cache. Not set: as input."),
    ] = None
    cache_write_input_per_million: Annotated[
        PerMillion | None,
        Meta(description="Price of a million input tokens written to the provider's cache. Not set: as input."),
    ] = None
    output_per_million: Annotated[PerMillion, Meta(description="Price of a million output tokens.")] = "0"

    @property
    def rates(self) -> Rates:
        input_ = per_million(self.input_per_million)
        cached, written = self.cached_input_per_million, self.cache_write_input_per_million
        return Rates(
            input_,
            input_ if cached is None else per_million(cached),
            per_million(self.output_per_million),
            input_ if written is None else per_million(written),
        )
