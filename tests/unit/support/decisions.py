"""Changed scaling settings, and a broker without an answer."""

import msgspec
from unit.support.scaling import EIGHT

from penstock_contract.route.scaling import ScalingSpec
from penstock_operator.scaling.decision import Decision


def changed(spec: ScalingSpec = EIGHT, **fields: object) -> ScalingSpec:
    return msgspec.structs.replace(spec, **fields)


def outcome(decision: Decision) -> tuple[int | None, str]:
    return decision.replicas, decision.reason
