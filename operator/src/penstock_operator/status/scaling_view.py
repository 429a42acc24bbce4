"""What others are told about a route's scaling: the reconciler for its plan and its status, a reader of metrics."""

from msgspec import Struct

from penstock_contract.route.status import LastDecision
from penstock_operator.status.conditions import Autoscaling


class ScalingView(Struct, frozen=True, kw_only=True):
    """`desired` is the autoscaler's last word and `decision` its last change; None before the first of each.

    `draining` are names of the pods that were told to drain. `autoscaling` is None before the first look.
    `refusing_keys` are names of the providers that refuse a worker's key.
    """

    desired: int | None = None
    draining: frozenset[str] = frozenset()
    autoscaling: Autoscaling | None = None
    decision: LastDecision | None = None
    refusing_keys: tuple[str, ...] = ()


class RouteDemand(Struct, frozen=True):
    """A route's requests at the last look: nobody has those that wait; those in flight do not end with their worker."""

    waiting: int
    in_flight: int
