"""Composes the view of the fleet from what was read of it. Pure."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

from penstock_broker.queue_state import QueueState
from penstock_contract.catalogue import CatalogueEntry
from penstock_contract.fleet.gateway_report import GatewayReport, RouteCounts
from penstock_contract.fleet.view import Fleet, GatewayView, RouteState, RouteView, Traffic
from penstock_contract.stream.frames import WorkerHeartbeat
from penstock_gateway.fleet import percentiles
from penstock_gateway.fleet.spending import Spending, sum_of

PerSecond = Callable[[str, str], float]
"""Output tokens per second of a gateway and a route."""


class FleetReadings(Struct, frozen=True, kw_only=True):
    """`gateways` send heartbeats; `reports` are of those that replied, this gateway's first."""

    at: float
    broker_connected: bool
    gateways: list[str]
    reports: list[GatewayReport]
    entries: list[CatalogueEntry]
    heartbeats: list[tuple[str, WorkerHeartbeat]]
    queues: Mapping[str, QueueState]
    spending: Spending


def compose(read: FleetReadings, per_second: PerSecond) -> Fleet:
    """Routes of the catalogue first, oldest first; then removed routes that this gateway still counts."""
    here = read.reports[0]
    entries = {entry.key: entry for entry in read.entries}
    counts: defaultdict[str, dict[str, RouteCounts]] = defaultdict(dict)
    for report in read.reports:
        for one in report.routes:
            counts[one.route][report.gateway] = one
    workers: defaultdict[str, list[WorkerHeartbeat]] = defaultdict(list)
    for key, beat in read.heartbeats:
        workers[key].append(beat)
    keys = [*entries, *sorted(counts.keys() - entries.keys())]
    return Fleet(
        at=read.at,
        gateway=here.gateway,
        broker_connected=read.broker_connected,
        gateways=_gateways(read),
        routes=[
            _route(
                key,
                entries.get(key),
                workers[key],
                read.queues.get(key),
                traffic(key, counts[key], per_second),
                traffic(key, {name: one for name, one in counts[key].items() if name == here.gateway}, per_second),
                read.spending,
            )
            for key in keys
        ],
        spend_today=read.spending.today,
    )


def traffic(route: str, counts: Mapping[str, RouteCounts], per_second: PerSecond) -> Traffic:
    """The sum of what gateways count of one route."""
    every = list(counts.values())
    errors = _added(one.errors for one in every)
    return Traffic(
        requests=sum(one.requests for one in every),
        failed=sum(errors.values()),
        errors=errors,
        input_tokens=sum(one.input_tokens for one in every),
        output_tokens=sum(one.output_tokens for one in every),
        output_tokens_per_second=round(sum(per_second(gateway, route) for gateway in counts), 1),
        first_token=percentiles.first_token(percentiles.merged(one.first_token for one in every)),
    )


def _route(
    key: str,
    entry: CatalogueEntry | None,
    beats: list[WorkerHeartbeat],
    queue: QueueState | None,
    fleet: Traffic,
    this_gateway: Traffic,
    spending: Spending,
) -> RouteView:
    state, reason = _state(entry)
    spent = spending.routes.get(key, [])
    return RouteView(
        route=key,
        state=state,
        reason=reason,
        waiting=None if queue is None else queue.pending,
        delivered=None if queue is None else queue.ack_pending,
        workers=sum(not beat.draining for beat in beats),
        draining=sum(beat.draining for beat in beats),
        slots=sum(beat.slots for beat in beats if not beat.draining),
        in_flight=sum(beat.in_flight for beat in beats),
        fleet=fleet,
        this_gateway=this_gateway,
        cost_today=sum_of(spent),
        spend_today=spent,
    )


def _state(entry: CatalogueEntry | None) -> tuple[RouteState, str]:
    if entry is None:
        return "removed", "the route is not in the catalogue any more"
    return ("ready", entry.cause) if entry.ready else ("not_ready", entry.reason)


def _gateways(read: FleetReadings) -> list[GatewayView]:
    reports = {report.gateway: report for report in read.reports}
    silent = GatewayReport(gateway="-", version="", has_metrics=False)
    return [
        GatewayView(
            gateway=name,
            reports=name in reports,
            version=report.version,
            has_metrics=report.has_metrics,
            in_flight=report.in_flight,
            errors=report.errors,
        )
        for name in sorted({*reports, *read.gateways}, key=lambda name: (name != read.reports[0].gateway, name))
        for report in [reports.get(name, silent)]
    ]


def _added(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return dict(sorted(total.items()))
