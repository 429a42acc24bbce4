"""The response of `GET /admin/fleet`. Money is decimal text; durations are seconds; counts of ended requests are since
the start of each gateway, as in its `/metrics`.
"""

from typing import Literal

from msgspec import Struct

RouteState = Literal["ready", "not_ready", "removed"]


class FirstToken(Struct, frozen=True, kw_only=True):
    """Percentiles of the time to first token, from the buckets of the metric's histogram.

    Interpolated in their bucket as Prometheus' `histogram_quantile` does; None without a request.
    """

    count: int
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None


class Traffic(Struct, frozen=True, kw_only=True):
    """Requests that ended. `output_tokens_per_second` is over the last seconds and counts open streams, too."""

    requests: int
    failed: int
    errors: dict[str, int]
    input_tokens: int
    output_tokens: int
    output_tokens_per_second: float
    first_token: FirstToken


class KeySpend(Struct, frozen=True, kw_only=True):
    """`name` is empty for a request without a key."""

    key: str
    name: str
    requests: int
    cost: str


class RouteView(Struct, frozen=True, kw_only=True):
    """One route.

    From its queue: `waiting` requests that no worker has, and `delivered` ones that a worker has and whose first event
    is not there; None while the broker does not answer. From the workers' heartbeats: `workers` that take requests,
    `draining` ones, `slots` and requests `in_flight`. From the metrics of the gateways: `fleet` is the sum over those
    that report, `this_gateway` the gateway that answers. From the usage records: `spend_today`.
    """

    route: str
    state: RouteState
    reason: str
    waiting: int | None
    delivered: int | None
    workers: int
    draining: int
    slots: int
    in_flight: int
    fleet: Traffic
    this_gateway: Traffic
    cost_today: str
    spend_today: list[KeySpend]


class GatewayView(Struct, frozen=True, kw_only=True):
    """`reports` is False for a gateway that sends heartbeats and did not answer: the sums lack its counts."""

    gateway: str
    reports: bool
    version: str
    has_metrics: bool
    in_flight: int
    errors: dict[str, int]


class SpendToday(Struct, frozen=True, kw_only=True):
    """Usage records of requests that began at `since` (midnight in UTC) or later, as read at `read_at`; Unix seconds.

    `complete` is False while the broker does not answer: the sums are those of the last reading, or empty.
    """

    since: int
    read_at: float
    complete: bool
    total: str
    keys: list[KeySpend]


class Fleet(Struct, frozen=True, kw_only=True):
    """`gateway` is the one that answers. `broker_connected` is its own connection."""

    at: float
    gateway: str
    broker_connected: bool
    gateways: list[GatewayView]
    routes: list[RouteView]
    spend_today: SpendToday
