"""The prices of a provider, and the rates that costs are computed with."""

import functools
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
        return _rates(
            self.input_per_million,
            self.cached_input_per_million,
            self.output_per_million,
            self.cache_write_input_per_million,
        )


# Each request reads the prices of its route again.
@functools.lru_cache(maxsize=4096)
def _rates(input_: str, cached: str | None, output: str, written: str | None) -> Rates:
    rate = per_million(input_)
    return Rates(
        rate,
        rate if cached is None else per_million(cached),
        per_million(output),
        rate if written is None else per_million(written),
    )
