"""Parts that every session uses: those of the worker, and a version of the route."""

from collections.abc import Callable, Sequence

from msgspec import Struct

from penstock_contract.route.spec import ModelRouteSpec
from penstock_runtime.clock import Clock
from penstock_worker.awaited_sockets import AwaitedSockets
from penstock_worker.providers.target import Target
from penstock_worker.sessions.calls.circuit_breaker import CircuitBreaker
from penstock_worker.telemetry import WorkerTelemetry


class WorkerContext(Struct, frozen=True):
    """`incarnation` identifies this process among all that had the same name, see `WorkerHeartbeat`.

    `draw` returns random numbers in [0, 1).
    """

    worker: str
    incarnation: int
    clock: Clock
    draw: Callable[[], float]
    telemetry: WorkerTelemetry
    sockets: AwaitedSockets


class RouteVersion(Struct, frozen=True):
    """The route as it was when the request was delivered; a later change applies to later requests."""

    spec: ModelRouteSpec
    targets: Sequence[Target]
    breaker: CircuitBreaker
