"""Limits of a ModelRoute: retries, the queue, the times of a request, and rates."""

from typing import Annotated

from msgspec import Meta

from penstock_contract.route.values import RouteStruct, Seconds


class RoutingSpec(RouteStruct, frozen=True, kw_only=True):
    """`retries` counts further tries of each provider, after all others were tried, all before the first event."""

    retries: Annotated[
        int,
        Meta(
            ge=0,
            le=10,
            description="Further tries of each provider for one request, after all others were tried and"
            " before the first event.",
        ),
    ] = 2


class LimitsSpec(RouteStruct, frozen=True, kw_only=True):
    """Queue depth in requests, times in seconds. The idle timeout runs between two pieces of one answer."""

    queue_depth: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description="Requests of the route without a first event; one more is a 429 `queue_full`.",
        ),
    ] = 256
    queue_timeout_seconds: Annotated[
        Seconds, Meta(description="Time for a worker to take the request, else 503 `queue_timeout`.")
    ] = 30.0
    connect_timeout_seconds: Annotated[
        Seconds,
        Meta(description="Time for a connection to the provider, TLS included, else `provider_unavailable`."),
    ] = 5.0
    first_token_timeout_seconds: Annotated[
        Seconds,
        Meta(description="Time for the first event of one call, connecting included, else `first_token_timeout`."),
    ] = 30.0
    idle_timeout_seconds: Annotated[
        Seconds, Meta(description="Time between two pieces of one answer, else `idle_timeout`.")
    ] = 60.0
    request_timeout_seconds: Annotated[
        Seconds,
        Meta(description="Time for the whole request: queue, all tries and the answer, else `request_timeout`."),
    ] = 600.0
    requests_per_minute: Annotated[
        Annotated[int, Meta(ge=1, le=1_000_000_000)] | None,
        Meta(description="Requests of all keys accepted in a minute, over all gateways; not set: no limit."),
    ] = None
    tokens_per_minute: Annotated[
        Annotated[int, Meta(ge=1, le=1_000_000_000)] | None,
        Meta(description="Tokens of all keys in a minute, input and output; not set: no limit."),
    ] = None
    concurrent_streams: Annotated[
        Annotated[int, Meta(ge=1, le=1_000_000)] | None,
        Meta(description="Requests of all keys that are open at the same time; not set: no limit."),
    ] = None
