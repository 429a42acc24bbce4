"""The operator's metrics as a reader collects them."""

from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from penstock_operator.metrics import Metrics, ObservedMetrics, RouteWorkers
from penstock_operator.scaling.decision import CHANGES
from penstock_operator.status.scaling_view import RouteDemand
from penstock_runtime.telemetry import names


def points_of(reader: InMemoryMetricReader) -> dict[str, list[tuple[dict[str, Any], float]]]:
    """Labels and value of every point, by metric; a histogram has its count."""
    data = reader.get_metrics_data()
    if data is None:
        return {}
    return {
        metric.name: [
            (dict(point.attributes or {}), point.count if hasattr(point, "count") else point.value)
            for point in metric.data.data_points
        ]
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


def made() -> tuple[Metrics, InMemoryMetricReader]:
    reader = InMemoryMetricReader()
    return Metrics(MeterProvider([reader]).get_meter("test"), CHANGES), reader


class Sources:
    """The sources of `ObservedMetrics`, with values that a test may change."""

    def __init__(self) -> None:
        self.queue_depth = 0
        self.leading = False
        self.demand: dict[str, RouteDemand] = {}
        self.namespaces: dict[str, bool] = {}
        self.connected = False


def observed() -> tuple[Sources, InMemoryMetricReader]:
    sources, reader = Sources(), InMemoryMetricReader()
    ObservedMetrics(
        MeterProvider([reader]).get_meter("test"),
        queue_depth=lambda: sources.queue_depth,
        leading=lambda: sources.leading,
        demand=lambda: sources.demand,
        namespaces=lambda: sources.namespaces,
        connected=lambda: sources.connected,
    )
    return sources, reader


def test_metrics_count_calls_by_verb_resource_and_code() -> None:
    metrics, reader = made()
    for code in ("200", "200", "409"):
        metrics.api_call("apply", "deployments", code)
    labels = {names.API_VERB: "apply", names.API_RESOURCE: "deployments"}
    assert points_of(reader)[names.METRIC_OPERATOR_API_CALLS] == [
        (labels | {names.API_CODE: "200"}, 2),
        (labels | {names.API_CODE: "409"}, 1),
    ]


def test_metrics_report_a_routes_workers_by_state_until_it_is_deleted() -> None:
    metrics, reader = made()
    metrics.route_workers("ns.main", RouteWorkers(desired=3, ready=2, draining=1))
    points = points_of(reader)[names.METRIC_ROUTE_WORKERS]
    assert {(labels[names.WORKER_STATE], value) for labels, value in points} == {
        ("desired", 3),
        ("ready", 2),
        ("draining", 1),
    }
    assert {labels[names.ROUTE] for labels, _ in points} == {"ns.main"}
    metrics.route_workers("ns.main", None)
    metrics.route_workers("ns.never", None)
    assert points_of(reader).get(names.METRIC_ROUTE_WORKERS, []) == []


def test_metrics_count_a_routes_decisions_from_zero_for_each_reason_of_a_change() -> None:
    """Prometheus: `increase` of a series that begins with 1 is 0."""
    metrics, reader = made()
    for desired in (1, 2):
        metrics.route_workers("ns.main", RouteWorkers(desired=desired, ready=0, draining=0))
        metrics.decided("ns.main", "FromZero")
    points = points_of(reader)[names.METRIC_SCALING_DECISIONS]
    counted = {labels[names.REASON]: value for labels, value in points}
    assert counted == dict.fromkeys(CHANGES, 0) | {"FromZero": 2}
    assert "Steady" not in CHANGES
    assert {"Manual", "FromZero", "DemandRose", "DemandFell", "NoDemand", "Panic", "Fallback"} <= set(CHANGES)


def test_metrics_report_a_routes_demand_in_two_parts() -> None:
    sources, reader = observed()
    sources.demand = {"ns.main": RouteDemand(waiting=5, in_flight=3)}
    assert points_of(reader)[names.METRIC_ROUTE_DEMAND] == [
        ({names.ROUTE: "ns.main", names.REQUEST_STATE: "waiting"}, 5),
        ({names.ROUTE: "ns.main", names.REQUEST_STATE: "in_flight"}, 3),
    ]
    sources.demand = {}
    assert points_of(reader).get(names.METRIC_ROUTE_DEMAND, []) == []


def test_metrics_read_their_sources_at_collection() -> None:
    sources, reader = observed()
    sources.queue_depth = 7
    sources.leading = True
    points = points_of(reader)
    assert points[names.METRIC_OPERATOR_QUEUE] == [({}, 7)]
    assert points[names.METRIC_OPERATOR_LEADING] == [({}, 1)]


def test_metrics_report_served_namespaces_of_a_leader_only() -> None:
    sources, reader = observed()
    sources.namespaces = {"a": True, "b": False}
    assert points_of(reader).get(names.METRIC_OPERATOR_NAMESPACE_SERVED, []) == []
    sources.leading = True
    assert points_of(reader)[names.METRIC_OPERATOR_NAMESPACE_SERVED] == [
        ({names.SERVED_NAMESPACE: "a"}, 1),
        ({names.SERVED_NAMESPACE: "b"}, 0),
    ]


def test_metrics_count_passes_decisions_restarts_and_the_lease() -> None:
    metrics, reader = made()
    metrics.reconciled("ok", 0.1)
    metrics.decided("ns.main", "FromZero")
    metrics.watch_restarted()
    metrics.lease_transitioned(True)
    points = points_of(reader)
    assert points[names.METRIC_OPERATOR_RECONCILE] == [({names.RESULT: "ok"}, 1)]
    assert points[names.METRIC_SCALING_DECISIONS] == [({names.ROUTE: "ns.main", names.REASON: "FromZero"}, 1)]
    assert points[names.METRIC_OPERATOR_WATCH_RESTARTS] == [({}, 1)]
    assert points[names.METRIC_OPERATOR_LEASE_TRANSITIONS] == [({names.RESULT: "won"}, 1)]
