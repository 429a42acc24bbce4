"""The operator's metrics. The number of label values is bounded by the number of routes.

`Metrics` is what the parts of the operator record. `ObservedMetrics` reads its sources when a reader collects.
"""

from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct
from opentelemetry.metrics import CallbackOptions, Meter, Observation

from penstock_operator.status.scaling_view import RouteDemand
from penstock_runtime.telemetry import names


class RouteWorkers(Struct, frozen=True):
    """A route's number of workers by state, as in its status."""

    desired: int
    ready: int
    draining: int


class Metrics:
    """`api_call` is safe to call from any thread. `decision_reasons`: those for which a number of workers changes."""

    def __init__(self, meter: Meter, decision_reasons: Iterable[str]) -> None:
        self._decision_reasons = tuple(decision_reasons)
        self._workers: dict[str, RouteWorkers] = {}
        self._conditions: dict[str, Mapping[str, str]] = {}
        self._calls = meter.create_counter(
            names.METRIC_OPERATOR_API_CALLS,
            unit="{call}",
            description="Requests to the API server by verb, resource and status code",
        )
        self._reconcile = meter.create_histogram(
            names.METRIC_OPERATOR_RECONCILE,
            unit="s",
            description="Duration of one reconciliation, by result",
            explicit_bucket_boundaries_advisory=names.BUCKETS_FIRST_TOKEN,
        )
        self._restarts = meter.create_counter(
            names.METRIC_OPERATOR_WATCH_RESTARTS, unit="{restart}", description="Watches that were opened again"
        )
        self._transitions = meter.create_counter(
            names.METRIC_OPERATOR_LEASE_TRANSITIONS,
            unit="{transition}",
            description="Leadership changes of this process, by result: won or lost",
        )
        self._decisions = meter.create_counter(
            names.METRIC_SCALING_DECISIONS,
            unit="{decision}",
            description="Changes of a route's desired number of workers, by reason",
        )
        meter.create_observable_gauge(
            names.METRIC_ROUTE_WORKERS,
            [self._observe_workers],
            unit="{worker}",
            description="A route's workers by state: desired, ready or draining",
        )
        meter.create_observable_gauge(
            names.METRIC_ROUTE_CONDITION,
            [self._observe_conditions],
            description="1 for the present status of each of a route's conditions: True, False or Unknown",
        )

    def api_call(self, verb: str, resource: str, code: str) -> None:
        self._calls.add(1, {names.API_VERB: verb, names.API_RESOURCE: resource, names.API_CODE: code})

    def reconciled(self, result: str, duration_s: float) -> None:
        self._reconcile.record(duration_s, {names.RESULT: result})

    def watch_restarted(self) -> None:
        self._restarts.add(1)

    def lease_transitioned(self, leads: bool) -> None:
        self._transitions.add(1, {names.RESULT: "won" if leads else "lost"})

    def decided(self, route: str, reason: str) -> None:
        self._decisions.add(1, {names.ROUTE: route, names.REASON: reason})

    def route_conditions(self, route: str, conditions: Mapping[str, str] | None) -> None:
        """The status of each condition; None: the route was deleted."""
        if conditions is None:
            self._conditions.pop(route, None)
        else:
            self._conditions[route] = conditions

    def route_workers(self, route: str, workers: RouteWorkers | None) -> None:
        """None: the route was deleted."""
        if workers is None:
            self._workers.pop(route, None)
            return
        if route not in self._workers:
            # Prometheus sees no increase in a series that begins with 1.
            for reason in self._decision_reasons:
                self._decisions.add(0, {names.ROUTE: route, names.REASON: reason})
        self._workers[route] = workers

    def _observe_conditions(self, _: CallbackOptions) -> Iterable[Observation]:
        for route, conditions in list(self._conditions.items()):
            for type_, status in conditions.items():
                yield Observation(1, {names.ROUTE: route, names.CONDITION: type_, names.CONDITION_STATUS: status})

    def _observe_workers(self, _: CallbackOptions) -> Iterable[Observation]:
        for route, workers in list(self._workers.items()):
            states: Mapping[str, int] = {
                "desired": workers.desired,
                "ready": workers.ready,
                "draining": workers.draining,
            }
            for state, count in states.items():
                yield Observation(count, {names.ROUTE: route, names.WORKER_STATE: state})


class ObservedMetrics:
    """Reads each source in the reader's thread. `namespaces`: whether each namespace is served."""

    def __init__(
        self,
        meter: Meter,
        *,
        queue_depth: Callable[[], int],
        leading: Callable[[], bool],
        demand: Callable[[], Mapping[str, RouteDemand]],
        namespaces: Callable[[], Mapping[str, bool]],
        connected: Callable[[], bool],
    ) -> None:
        self._leading = leading
        self._demand = demand
        self._namespaces = namespaces
        meter.create_observable_gauge(
            names.METRIC_OPERATOR_QUEUE,
            [lambda _: [Observation(queue_depth())]],
            unit="{route}",
            description="Routes that wait for a reconciliation",
        )
        meter.create_observable_gauge(
            names.METRIC_OPERATOR_LEADING,
            [lambda _: [Observation(int(leading()))]],
            description="1 if this process leads, else 0",
        )
        meter.create_observable_gauge(
            names.METRIC_BROKER_CONNECTED,
            [lambda _: [Observation(int(connected()))]],
            description="1 while the operator is connected to NATS, else 0",
        )
        meter.create_observable_gauge(
            names.METRIC_OPERATOR_NAMESPACE_SERVED,
            [self._observe_namespaces],
            description="1 if a namespace is served, 0 while its lists or watches are refused; leader only",
        )
        meter.create_observable_gauge(
            names.METRIC_ROUTE_DEMAND,
            [self._observe_demand],
            unit="{request}",
            description="A route's requests by state: waiting or in_flight; not with `mode: Manual`",
        )

    def _observe_demand(self, _: CallbackOptions) -> Iterable[Observation]:
        for route, demand in self._demand().items():
            yield Observation(demand.waiting, {names.ROUTE: route, names.REQUEST_STATE: "waiting"})
            yield Observation(demand.in_flight, {names.ROUTE: route, names.REQUEST_STATE: "in_flight"})

    def _observe_namespaces(self, _: CallbackOptions) -> Iterable[Observation]:
        if self._leading():
            for namespace, served in self._namespaces().items():
                yield Observation(int(served), {names.SERVED_NAMESPACE: namespace})
