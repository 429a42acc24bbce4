"""The reason, for waiting API clients, why no worker serves a route; pure.

A client receives the kind of the problem, to forward it to the administrator, and no details: no name of an image, a
node, a secret, a namespace or another route. Those are in the route's conditions, under the same reason.
"""

from collections.abc import Mapping
from typing import Final

from penstock_contract.route.spec import ModelRouteSpec
from penstock_operator.status.conditions import kept_at_zero
from penstock_operator.status.pod_problems import ProblemReason
from penstock_operator.status.pod_summary import Survey
from penstock_operator.status.reasons import AcceptedReason

PROBLEM_TEXTS: Final[Mapping[ProblemReason, str]] = {
    "SecretNotFound": "a secret that its workers need does not exist",
    "SecretKeyNotFound": "a secret that its workers need lacks a key",
    "ImagePullFailed": "the image of its workers cannot be pulled",
    "ContainerFailed": "its workers cannot be started",
    "CrashLoop": "its workers exit soon after they start",
    "QuotaExceeded": "the quota for its workers is used up",
    "PodForbidden": "the cluster does not admit its workers",
    "Unschedulable": "the cluster has no room for its workers",
    "Evicted": "its workers were evicted from their node",
    "NotReady": "its workers are not ready",
    "RolloutStalled": "its workers do not become ready",
}
REFUSALS: Final[Mapping[AcceptedReason, str]] = {
    "InvalidSpec": "its configuration is not valid (InvalidSpec)",
    "ModelNameConflict": "another route has one of its model names (ModelNameConflict)",
    "ModelNameNotPermitted": "one of its model names is not permitted (ModelNameNotPermitted)",
}
STARTING: Final = "a worker is starting"
NO_WORKERS: Final = "it has no workers, and its configuration starts none"


def cause(spec: ModelRouteSpec, survey: Survey) -> str:
    """Returns the reason; empty while a worker takes requests, or the next request starts one."""
    if survey.ready > 0:
        return ""
    if survey.problems:
        reason = survey.problems[0].reason
        return f"{PROBLEM_TEXTS[reason]} ({reason})"
    if survey.due > 0:
        return STARTING
    return NO_WORKERS if survey.wanted == 0 and kept_at_zero(spec) is not None else ""
