"""Reads the counts of a gateway's own metrics, by route: the same registry that `/metrics` renders. Pure.

Not from counters of its own: two counts of one request would differ sooner or later.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final, Protocol

from msgspec import Struct
from msgspec.structs import replace

from penstock_contract.fleet.gateway_report import RouteCounts
from penstock_runtime.telemetry import names

Buckets = tuple[tuple[float, int], ...]


class Sample(Protocol):
    """One series of prometheus_client."""

    @property
    def name(self) -> str: ...
    @property
    def labels(self) -> Mapping[str, str]: ...
    @property
    def value(self) -> float: ...


class Family(Protocol):
    """One metric of prometheus_client."""

    @property
    def samples(self) -> Iterable[Sample]: ...


def prometheus_name(name: str, suffix: str) -> str:
    return f"{name.replace('.', '_')}{suffix}"


REQUESTS: Final = prometheus_name(names.METRIC_SERVER_DURATION, "_seconds_count")
FIRST_TOKEN: Final = prometheus_name(names.METRIC_TIME_TO_FIRST_TOKEN, "_seconds_bucket")
TOKENS: Final = prometheus_name(names.METRIC_TOKENS, "_total")
ERRORS: Final = prometheus_name(names.METRIC_ERRORS, "_total")
IN_FLIGHT: Final = prometheus_name(names.METRIC_IN_FLIGHT, "")
ROUTE: Final = prometheus_name(names.ROUTE, "")
ERROR_TYPE: Final = prometheus_name(names.ERROR_TYPE, "")
TOKEN_TYPE: Final = prometheus_name(names.TOKEN_TYPE, "")


class MetricSnapshot(Struct, frozen=True):
    """`found` is False without any of these metrics: OpenTelemetry is disabled."""

    found: bool
    in_flight: int
    errors: dict[str, int]
    routes: dict[str, RouteCounts]


class _Route:
    def __init__(self) -> None:
        self.requests = 0
        self.errors: defaultdict[str, int] = defaultdict(int)
        self.tokens: defaultdict[str, int] = defaultdict(int)
        self.first_token: defaultdict[float, int] = defaultdict(int)

    def counts(self, route: str) -> RouteCounts:
        return RouteCounts(
            route=route,
            requests=self.requests,
            errors=_counted(self.errors),
            input_tokens=self.tokens["input"],
            output_tokens=self.tokens["output"],
            first_token=sorted(self.first_token.items()),
        )


def snapshot(families: Iterable[Family]) -> MetricSnapshot:
    """The counts of a route are the sums over its models."""
    found, in_flight = False, 0
    errors: defaultdict[str, int] = defaultdict(int)
    routes: defaultdict[str, _Route] = defaultdict(_Route)
    for sample in (sample for family in families for sample in family.samples):
        labels, value = sample.labels, int(sample.value)
        match sample.name:
            case name if name == IN_FLIGHT:
                found, in_flight = True, value
            case name if name == ERRORS:
                errors[labels[ERROR_TYPE]] += value
            case name if name == REQUESTS:
                route = routes[labels[ROUTE]]
                route.requests += value
                # Series without an error have an empty label.
                if code := labels.get(ERROR_TYPE):
                    route.errors[code] += value
            case name if name == FIRST_TOKEN:
                routes[labels[ROUTE]].first_token[float(labels["le"])] += value
            case name if name == TOKENS:
                routes[labels[ROUTE]].tokens[labels[TOKEN_TYPE]] += value
            case _:
                pass
    counted = {key: route.counts(key) for key, route in routes.items()}
    return MetricSnapshot(found, in_flight, _counted(errors), counted)


def _counted(errors: dict[str, int]) -> dict[str, int]:
    """Without the codes that have not occurred: each code has a series from the start."""
    return {code: count for code, count in sorted(errors.items()) if count}


def with_open_streams(counts: RouteCounts, open_: int, tokens: int) -> RouteCounts:
    return replace(counts, open=open_, open_output_tokens=tokens)
