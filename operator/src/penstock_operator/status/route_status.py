"""Composes the status of a route: conditions with their times, numbers, and whether a write is needed; pure."""

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from penstock_contract.route.status import Condition, LastDecision, ModelRouteStatus
from penstock_operator.kube.resources import ROUTE_LABEL
from penstock_operator.status.conditions import Finding, Situation, evaluate

MESSAGE_MAX: Final = 1_000


def previous(body: Mapping[str, Any]) -> ModelRouteStatus:
    """The status in a ModelRoute's whole JSON; an empty one if it is missing or unreadable."""
    try:
        return msgspec.convert(body.get("status", {}), ModelRouteStatus)
    except msgspec.ValidationError:
        return ModelRouteStatus()


def compose(
    route: str,
    situation: Situation,
    before: ModelRouteStatus,
    now: dt.datetime,
    *,
    desired: int | None = None,
    decision: LastDecision | None = None,
) -> ModelRouteStatus:
    """The whole status of `route`. `desired` and `decision` are the autoscaler's last, None before the first.

    A condition keeps its time until its status changes.
    """
    known = {condition.type: condition for condition in before.conditions}
    survey = situation.survey
    if desired is None:
        desired = survey.wanted if survey.wanted is not None else before.desired_replicas
    return ModelRouteStatus(
        observed_generation=situation.generation,
        replicas=survey.replicas,
        ready_replicas=survey.ready,
        draining_replicas=survey.draining,
        desired_replicas=desired,
        selector=f"{ROUTE_LABEL}={route}",
        last_decision=decision or before.last_decision,
        conditions=[
            _stamped(finding, situation.generation, known.get(finding.type), now)
            for finding in evaluate(situation, known)
        ],
    )


def document(status: ModelRouteStatus) -> dict[str, Any]:
    """The status as written to the API server."""
    written: dict[str, Any] = msgspec.to_builtins(status)
    return written


def needs_write(body: Mapping[str, Any], status: ModelRouteStatus) -> bool:
    """True if the live status in `body` differs. Conditions of other clients are ignored."""
    live = body.get("status", {})
    wanted = document(status)
    ours = {condition["type"] for condition in wanted["conditions"]}
    try:
        compared = _comparable(live, ours)
    except (TypeError, KeyError, AttributeError):
        return True  # an earlier CRD accepted an invalid status
    return _comparable(wanted, ours) != {key: value for key, value in compared.items() if key in wanted}


def _comparable(status: Mapping[str, Any], types: set[str]) -> dict[str, Any]:
    conditions = {one["type"]: one for one in status.get("conditions", ()) if one["type"] in types}
    return {**status, "conditions": conditions}


def _stamped(finding: Finding, generation: int, known: Condition | None, now: dt.datetime) -> Condition:
    since = known.last_transition_time if known is not None and known.status == finding.status else now
    return Condition(
        type=finding.type,
        status=finding.status,
        observed_generation=generation,
        last_transition_time=since.replace(microsecond=0),
        reason=finding.reason,
        message=finding.message[:MESSAGE_MAX],
    )
