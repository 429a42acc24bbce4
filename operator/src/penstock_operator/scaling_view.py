"""What the reconciler is told about a route's scaling, for its plan and its status."""

from msgspec import Struct

from penstock_contract.route_status import LastDecision
from penstock_operator.conditions import Autoscaling


class ScalingView(Struct, frozen=True, kw_only=True):
    """`desired` is the autoscaler's last word and `decision` its last change; None before the first of each.

    `draining` are names of the pods that were told to drain. `autoscaling` is None before the first look.
    """

    desired: int | None = None
    draining: frozenset[str] = frozenset()
    autoscaling: Autoscaling | None = None
    decision: LastDecision | None = None
