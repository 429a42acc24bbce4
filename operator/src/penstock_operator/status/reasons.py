"""Every reason of every condition: its status, its meaning and its remedy; pure.

`make docs` writes docs/reference/conditions.md from these tables. The set of reasons of a condition is closed: alerts
and scripts may rely on it.
"""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from penstock_operator.status.pod_problems import ProblemReason

Type = Literal["Ready", "Accepted", "ResolvedRefs", "WorkersReady", "Serving", "ScalingActive", "Degraded"]
Status = Literal["True", "False", "Unknown"]
AcceptedReason = Literal["Accepted", "InvalidSpec", "ModelNameConflict", "ModelNameNotPermitted"]
Trouble = Literal["BrokerUnavailable", "QueueMissing"]
"""Reasons for unknown demand."""

_NOTHING: Final = "Nothing."
_SEE_ACCEPTED: Final = "See [Accepted](#accepted)."
_SEE_DEGRADED: Final = "See [Degraded](#degraded)."
_SEE_SCALING: Final = "See [ScalingActive](#scalingactive)."


class Explanation(NamedTuple):
    """`status` is the condition's status with this reason."""

    status: Status
    meaning: str
    remedy: str = _NOTHING


class PodProblem(NamedTuple):
    meaning: str
    remedy: str


EXPLANATIONS: Final[Mapping[Type, Mapping[str, Explanation]]] = {
    "Ready": {
        "Serving": Explanation("True", "Ready workers take requests."),
        "Idle": Explanation("True", "There are no workers; the first request starts some."),
        "RollingOut": Explanation(
            "Unknown",
            "Workers of an older version are being replaced. They serve until then and finish their streams.",
            "Wait. A worker that cannot start changes the reason.",
        ),
        "InvalidSpec": Explanation(
            "False", "This version cannot be served; the last good version is, if there was one.", _SEE_ACCEPTED
        ),
        "ModelNameConflict": Explanation(
            "False", "Another route has one of the model names; the last good version is served.", _SEE_ACCEPTED
        ),
        "ModelNameNotPermitted": Explanation(
            "False", "The namespace may not claim one of the names; the last good version is served.", _SEE_ACCEPTED
        ),
        "ApplyFailed": Explanation("False", "An object of the route cannot be applied.", _SEE_DEGRADED),
        "NamespaceNotServed": Explanation(
            "False",
            "The operator watches all namespaces, and this one does not match its selector. Nothing is served; other"
            " conditions are removed.",
            "Label the namespace, or list it in `operator.namespaces`.",
        ),
        "NoWorkers": Explanation(
            "False",
            "No worker is ready: the first one is starting, or the route is kept at zero.",
            "See [Serving](#serving).",
        ),
        "BrokerUnavailable": Explanation(
            "False",
            "The operator cannot reach NATS: no worker can be started, or this version is not published.",
            _SEE_SCALING,
        ),
        "QueueMissing": Explanation("False", "NATS does not have the route's queue.", _SEE_SCALING),
        "ProviderAuthFailed": Explanation(
            "False", "Every provider refuses its key: each request fails.", _SEE_DEGRADED
        ),
    },
    "Accepted": {
        "Accepted": Explanation(
            "True", "This version of the spec can be served.", "See [Ready](#ready) for whether it is in force."
        ),
        "InvalidSpec": Explanation(
            "False",
            "The API server accepted the spec, but this operator cannot serve it. The message has the field or rule.",
            "Change the spec, or upgrade the operator if the CRD is newer.",
        ),
        "ModelNameConflict": Explanation(
            "False",
            "An older route, in any namespace, has one of the names. The message has both routes.",
            "Remove the name from one of the routes. This route takes a released name over automatically.",
        ),
        "ModelNameNotPermitted": Explanation(
            "False",
            "The installation's rules (`operator.modelClaims`) exclude one of the names. The message has it.",
            "Remove the name, or extend the rule of the namespace.",
        ),
    },
    "ResolvedRefs": {
        "Resolved": Explanation("True", "A worker was created with each secret, or the spec names none."),
        "NotChecked": Explanation(
            "Unknown", "No worker of this version was created yet; a route at zero waits for a request."
        ),
        "SecretNotFound": Explanation(
            "False", "A Secret is missing in the route's namespace.", "Create it; the pods retry automatically."
        ),
        "SecretKeyNotFound": Explanation("False", "The Secret lacks the key.", "Add the key."),
    },
    "WorkersReady": {
        "WorkersReady": Explanation("True", "All desired workers are ready."),
        "ScaledToZero": Explanation("True", "The desired number is 0."),
        "Starting": Explanation(
            "False",
            "Some workers are not ready yet; no problem is known.",
            "Wait. `kubectl get pods -l penstock.dev/route=<route>` lists them.",
        ),
        "NotAccepted": Explanation("False", "No version of the spec can be served.", _SEE_ACCEPTED),
        "ApplyFailed": Explanation("False", "The Deployment cannot be created.", _SEE_DEGRADED),
    },
    "Serving": {
        "Serving": Explanation("True", "At least one worker is ready."),
        "Idle": Explanation("True", "There are no workers; the first request starts some."),
        "NoWorkers": Explanation(
            "False",
            "No worker is ready. The message has the problem, or that the route is starting or kept at zero.",
            "Fix the problem; scale up with `mode: Manual`; set `paused: None`.",
        ),
        "NotAccepted": Explanation("False", "No version of the spec can be served.", _SEE_ACCEPTED),
        "ApplyFailed": Explanation(
            "False", "No worker is ready, and the objects that would start one cannot be applied.", _SEE_DEGRADED
        ),
        "BrokerUnavailable": Explanation(
            "False", "The catalogue cannot be written, or a route without workers cannot be activated.", _SEE_SCALING
        ),
        "QueueMissing": Explanation(
            "False", "NATS does not have the route's queue: every request fails.", _SEE_SCALING
        ),
    },
    "ScalingActive": {
        "Active": Explanation("True", "The number of workers follows the load, within the bounds in the message."),
        "NotChecked": Explanation("Unknown", "The load was not measured yet; the operator has just started."),
        "Manual": Explanation(
            "False",
            "`scaling.mode` is `Manual`: `scaling.replicas` and the scale subresource decide.",
            "Nothing, if intended.",
        ),
        "Paused": Explanation(
            "False", "`scaling.paused` holds back the changes in the message.", "Set `paused: None` to resume."
        ),
        "NotAccepted": Explanation("False", "No version of the spec can be served.", _SEE_ACCEPTED),
        "Fallback": Explanation(
            "False",
            "The load has been unknown for longer than `scaling.fallback.afterSeconds`; the message has the fallback.",
            "As for `BrokerUnavailable` and `QueueMissing`.",
        ),
        "BrokerUnavailable": Explanation(
            "False",
            "NATS does not answer the operator. The number of workers is held: unknown load is never zero.",
            "Check NATS and the network to it.",
        ),
        "QueueMissing": Explanation(
            "False",
            "NATS answers, but the route's queue does not exist. The operator creates it again.",
            "Check JetStream's storage and the cause of the deletion.",
        ),
    },
    "Degraded": {
        "AsExpected": Explanation("False", "No problem is known."),
        "ApplyFailed": Explanation(
            "True",
            "An object cannot be applied: missing permission or quota, another owner, or deletion in progress.",
            "Grant the permission (the Role is in the chart), or remove the other object.",
        ),
        "BrokerUnavailable": Explanation(
            "True", "NATS does not answer the operator, or the catalogue cannot be written.", "Check NATS."
        ),
        "QueueMissing": Explanation("True", "NATS does not have the route's queue.", "Check JetStream."),
        "ProviderAuthFailed": Explanation(
            "True",
            "A provider answers 401, 402 or 403, or a worker has no key. The message has provider and Secret.",
            "Put a valid key into the Secret. Workers read it within about a minute.",
        ),
        "ProviderFailing": Explanation(
            "True",
            "Two or more calls of a provider failed in a row on one worker: it is unreachable, overloaded or broken.",
            "The worker's log (`worker.call_ended`) has the kind of failure. It clears with the next good call.",
        ),
        "InvalidSpec": Explanation("True", "This version of the spec cannot be served.", "Change the spec."),
        "ModelNameConflict": Explanation(
            "True", "An older route has one of the model names.", "Change one of the two routes."
        ),
        "ModelNameNotPermitted": Explanation(
            "True", "The namespace may not claim one of the names.", "See [Accepted](#accepted)."
        ),
    },
}
"""Without the problems of pods, which `Ready`, `WorkersReady` and `Degraded` have in addition."""

POD_PROBLEMS: Final[Mapping[ProblemReason, PodProblem]] = {
    "SecretNotFound": PodProblem("A Secret is missing.", "Create it in the route's namespace."),
    "SecretKeyNotFound": PodProblem("A Secret lacks the key.", "Add the key."),
    "ImagePullFailed": PodProblem(
        "The image cannot be pulled, or its name is invalid.",
        "Check `worker.image`, `worker.imagePullSecrets` and the registry.",
    ),
    "ContainerFailed": PodProblem(
        "The container cannot be created or started: its command, its user, a hook.",
        "Check the image, and the pod as admission changed it.",
    ),
    "CrashLoop": PodProblem(
        "A worker exits soon after its start. The message has the exit code, and `OOMKilled` if memory ran out.",
        "`kubectl logs --previous` of the pod; raise `worker.resources.limits.memory`.",
    ),
    "QuotaExceeded": PodProblem(
        "The namespace's ResourceQuota is used up.",
        "Raise it, or lower `scaling.maxReplicas` or `worker.resources`. The ReplicaSet retries ever more rarely.",
    ),
    "PodForbidden": PodProblem(
        "Admission refuses the pods: Pod Security, a LimitRange, a quota that requires `worker.resources`, a webhook.",
        "Follow the message.",
    ),
    "Unschedulable": PodProblem(
        "No node has room, or no node is permitted.",
        "Add nodes; check `worker.resources`, `nodeSelector`, `affinity`, `tolerations`.",
    ),
    "Evicted": PodProblem(
        "A node evicted a worker because of low resources, or rejected it. Reported until the pod is replaced.",
        "Set `worker.resources.requests` to the worker's need.",
    ),
    "NotReady": PodProblem(
        "A worker is no longer ready, without a drain: it has lost NATS, or its node is unreachable.",
        "Check the worker's log and the node.",
    ),
    "RolloutStalled": PodProblem(
        "The Deployment exceeded its progress deadline, and no pod has a reason.",
        "`kubectl describe` its newest pods: a volume, the network, the node.",
    ),
}

WITH_POD_PROBLEMS: Final[frozenset[Type]] = frozenset({"Ready", "WorkersReady", "Degraded"})

REASONS: Final[Mapping[Type, tuple[str, ...]]] = {
    type_: (*explained, *(POD_PROBLEMS if type_ in WITH_POD_PROBLEMS else ()))
    for type_, explained in EXPLANATIONS.items()
}
