"""A route's scaling as the autoscaler reports it: to the reconciler for plan and status, and to metrics."""

from msgspec import Struct

from penstock_contract.route.status import LastDecision
from penstock_operator.status.reasons import Trouble


class Autoscaling(Struct, frozen=True):
    """State of the demand: `trouble` if it is unknown, `fallback` once that applies; `message` has details."""

    trouble: Trouble | None = None
    fallback: bool = False
    message: str = ""


class ScalingView(Struct, frozen=True, kw_only=True):
    """`desired` is the autoscaler's last number and `decision` its last change; None before the first of each.

    `draining` are names of the draining pods. `autoscaling` is None before the first observation.
    `refusing_keys` are names of the providers that refuse a worker's key, `failing` of those that fail every call of a
    worker.
    """

    desired: int | None = None
    draining: frozenset[str] = frozenset()
    autoscaling: Autoscaling | None = None
    decision: LastDecision | None = None
    refusing_keys: tuple[str, ...] = ()
    failing: tuple[str, ...] = ()


class RouteDemand(Struct, frozen=True):
    """A route's requests at the last observation: not delivered, and in flight on workers that do not drain."""

    waiting: int
    in_flight: int
