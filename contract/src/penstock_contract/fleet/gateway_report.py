"""The report of a gateway to another one that shows the fleet: the counts of its own metrics, by route.

Maps and no arrays: two versions of a gateway read each other's reports during an upgrade.
"""

from typing import Annotated

from msgspec import Meta, Struct

from penstock_contract.subjects import Token

ROUTES_MAX = 10_000
Count = Annotated[int, Meta(ge=0)]


class RouteCounts(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One route at one gateway: requests that ended since the gateway started, and the streams that are open now.

    `errors` counts the failed ones among `requests` by their code. `first_token` is the histogram of the time to first
    token: pairs of an upper bound in seconds and the number of requests up to it. `open_output_tokens` is an estimate:
    one delta is one token, as no provider has reported a count yet.
    """

    route: str
    requests: Count = 0
    errors: dict[str, int] = {}
    input_tokens: Count = 0
    output_tokens: Count = 0
    first_token: list[tuple[float, int]] = []
    open: Count = 0
    open_output_tokens: Count = 0


class GatewayReport(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One gateway. `has_metrics` is False where OpenTelemetry is disabled: all counts of ended requests are missing.

    `errors` counts failed requests by code, also those that were rejected before they had a route.
    """

    gateway: Token
    version: str
    has_metrics: bool = True
    in_flight: int = 0
    errors: dict[str, int] = {}
    routes: Annotated[list[RouteCounts], Meta(max_length=ROUTES_MAX)] = []
