"""What the operator tells about itself: counts and times, with labels whose number is bounded by the routes'."""

from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct
from opentelemetry.metrics import CallbackOptions, Meter, Observation

from penstock_operator.status.scaling_view import RouteDemand
from penstock_runtime.telemetry import names


class RouteWorkers(Struct, frozen=True):
    """A route's workers, as its status says it."""

    desired: int
    ready: int
    draining: int


class Metrics:
    """`queue_depth`, `leading`, `demand` and `namespaces` are asked when somebody reads.

    `api_call` may come from any thread. `namespaces`: whether it is served, of each that should be.
    """

    def __init__(self, meter: Meter) -> None:
        self._workers: dict[str, RouteWorkers] = {}
        self.queue_depth: Callable[[], int] = lambda: 0
        self.leading: Callable[[], bool] = lambda: False
        self.demand: Callable[[], Mapping[str, RouteDemand]] = dict
        self.namespaces: Callable[[], Mapping[str, bool]] = dict
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
            names.METRIC_OPERATOR_QUEUE,
            [lambda _: [Observation(self.queue_depth())]],
            unit="{route}",
            description="Routes that wait for a reconciliation",
        )
        meter.create_observable_gauge(
            names.METRIC_OPERATOR_LEADING,
            [lambda _: [Observation(int(self.leading()))]],
            description="1 if this process leads, else 0",
        )
        meter.create_observable_gauge(
            names.METRIC_OPERATOR_NAMESPACE_SERVED,
            [self._observe_namespaces],
            description="1 if a namespace is served, 0 while its lists or watches are refused; leader only",
        )
        meter.create_observable_gauge(
            names.METRIC_ROUTE_WORKERS,
            [self._observe_workers],
            unit="{worker}",
            description="A route's workers by state: desired, ready or draining",
        )
        meter.create_observable_gauge(
            names.METRIC_ROUTE_DEMAND,
            [self._observe_demand],
            unit="{request}",
            description="A route's requests by state: waiting or in_flight; not with `mode: Manual`",
        )

    def api_call(self, verb: str, resource: str, code: str, _duration_s: float) -> None:
        self._calls.add(1, {names.API_VERB: verb, names.API_RESOURCE: resource, names.API_CODE: code})

    def reconciled(self, result: str, duration_s: float) -> None:
        self._reconcile.record(duration_s, {names.RESULT: result})

    def watch_restarted(self) -> None:
        self._restarts.add(1)

    def lease_transitioned(self, leads: bool) -> None:
        self._transitions.add(1, {names.RESULT: "won" if leads else "lost"})

    def decided(self, route: str, reason: str) -> None:
        self._decisions.add(1, {names.ROUTE: route, names.REASON: reason})

    def route_workers(self, route: str, workers: RouteWorkers | None) -> None:
        """None: the route is gone."""
        if workers is None:
            self._workers.pop(route, None)
        else:
            self._workers[route] = workers

    def _observe_demand(self, _: CallbackOptions) -> Iterable[Observation]:
        for route, demand in self.demand().items():
            yield Observation(demand.waiting, {names.ROUTE: route, names.REQUEST_STATE: "waiting"})
            yield Observation(demand.in_flight, {names.ROUTE: route, names.REQUEST_STATE: "in_flight"})

    def _observe_namespaces(self, _: CallbackOptions) -> Iterable[Observation]:
        if self.leading():
            for namespace, served in self.namespaces().items():
                yield Observation(int(served), {names.SERVED_NAMESPACE: namespace})

    def _observe_workers(self, _: CallbackOptions) -> Iterable[Observation]:
        for route, workers in list(self._workers.items()):
            states: Mapping[str, int] = {
                "desired": workers.desired,
                "ready": workers.ready,
                "draining": workers.draining,
            }
            for state, count in states.items():
                yield Observation(count, {names.ROUTE: route, names.WORKER_STATE: state})
