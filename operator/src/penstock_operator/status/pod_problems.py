"""Problems of a route's pods: the cluster's message under one of the operator's reasons; pure.

Message formats are those of Kubernetes 1.36: pkg/kubelet (images, kuberuntime, kubelet_pods.go), the ReplicaSet
controller and quota admission. Parts that change at every attempt (a back-off's time, a generated pod name) are
removed: each changed message is a write.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, get_args

from msgspec import Struct

ProblemReason = Literal[
    "SecretNotFound",
    "SecretKeyNotFound",
    "ImagePullFailed",
    "ContainerFailed",
    "CrashLoop",
    "QuotaExceeded",
    "PodForbidden",
    "Unschedulable",
    "Evicted",
    "NotReady",
    "RolloutStalled",
]
"""Ordered by precedence: an earlier problem hides the later ones until it is fixed."""

MESSAGE_MAX: Final = 500

IMAGE_REASONS: Final = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
_HEALTHY_WAITS: Final = frozenset({"", "ContainerCreating", "PodInitializing"})
_RANK: Final = {reason: rank for rank, reason in enumerate(get_args(ProblemReason))}

_BACK_OFF: Final = re.compile(r'Back-off pulling image "[^"]*"(?:: (?:[A-Za-z]+: )?(?P<cause>.+))?', re.DOTALL)
_FORBIDDEN: Final = re.compile(r'^pods "[^"]*" is forbidden: ')
_NO_SECRET: Final = re.compile(r'^secrets? "[^"]*" not found')
_NO_KEY: Final = re.compile(r"^couldn't find key .* in Secret ")


class Problem(Struct, frozen=True):
    """`message` is one bounded line; for pods it begins with the name of the first one with this problem."""

    reason: ProblemReason
    message: str


def one_of_each_reason(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """One problem of each reason, the first that was found; ordered by precedence."""
    first: dict[str, Problem] = {}
    for problem in problems:
        first.setdefault(problem.reason, problem)
    return tuple(sorted(first.values(), key=lambda problem: _RANK[problem.reason]))


def of_pods(pods: Iterable[Mapping[str, Any]]) -> Iterator[Problem]:
    """Yields at most one problem of each pod; all of these pods should serve."""
    for pod in pods:
        if (found := _problem(pod)) is not None:
            reason, message = found
            yield Problem(reason, clean(f"pod {pod['metadata']['name']}: {message}"))


def of_evictions(pods: Iterable[Mapping[str, Any]]) -> Iterator[Problem]:
    """Yields the evictions and rejections by nodes, of failed pods."""
    for pod in pods:
        status = pod["status"]
        if status["phase"] == "Failed" and status.get("reason"):
            words = f"pod {pod['metadata']['name']}: {status['reason']}: {status.get('message', '')}"
            yield Problem("Evicted", clean(words))


def of_deployment(status: Mapping[str, Any]) -> Iterator[Problem]:
    """Yields the problems in a Deployment's status, which includes its ReplicaSets' failures, the newest first."""
    for condition in status.get("conditions", ()):
        match condition:
            case {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": str(message)}:
                reason: ProblemReason = "QuotaExceeded" if "exceeded quota" in message else "PodForbidden"
                yield Problem(reason, clean(_FORBIDDEN.sub("", message)))
            case {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}:
                yield Problem("RolloutStalled", clean(condition.get("message", "")))


def clean(message: str) -> str:
    """One line without control characters, bounded."""
    line = " ".join("".join(char if char.isprintable() else " " for char in message).split())
    return line if len(line) <= MESSAGE_MAX else line[: MESSAGE_MAX - 1] + "…"


def condition(pod: Mapping[str, Any], type_: str) -> Mapping[str, Any]:
    """A condition of a pod, empty if it has none of this type."""
    found: Sequence[Mapping[str, Any]] = pod.get("status", {}).get("conditions", ())
    return next((one for one in found if one.get("type") == type_), {})


def _problem(pod: Mapping[str, Any]) -> tuple[ProblemReason, str] | None:
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        return "Unschedulable", scheduled.get("message") or scheduled.get("reason", "")
    status = pod.get("status", {})
    containers = status.get("containerStatuses", ())
    for container in (*status.get("initContainerStatuses", ()), *containers):
        if (found := _container_problem(container)) is not None:
            return found
    ready = condition(pod, "Ready")
    started = [container.get("state", {}).get("running", {}).get("startedAt", "") for container in containers]
    if ready.get("status") != "False" or not started or not all(started):
        return None
    # Kubernetes' times are all in UTC with whole seconds: they compare as text. A pod that is unready since before its
    # containers ran is only starting.
    if ready.get("lastTransitionTime", "") <= max(started):
        return None
    return "NotReady", ready.get("message") or "it was ready and is not ready any more"


def _container_problem(container: Mapping[str, Any]) -> tuple[ProblemReason, str] | None:
    if container.get("ready"):
        return None
    state = container.get("state", {})
    reason, message = (state.get("waiting", {}).get(key, "") for key in ("reason", "message"))
    if reason in IMAGE_REASONS:
        back_off = _BACK_OFF.fullmatch(message)
        return "ImagePullFailed", (back_off and back_off["cause"]) or message or reason
    if reason == "CreateContainerConfigError" and _NO_SECRET.match(message):
        return "SecretNotFound", message
    if reason == "CreateContainerConfigError" and _NO_KEY.match(message):
        return "SecretKeyNotFound", message
    fall = container.get("lastState", {}).get("terminated", {})
    # Between two exits a container runs briefly: after two exits without a ready state in between it still crashes.
    if reason == "CrashLoopBackOff" or (reason in _HEALTHY_WAITS and fall and container.get("restartCount", 0) > 1):
        return "CrashLoop", _exit(fall or state.get("terminated", {})) or message
    if reason not in _HEALTHY_WAITS:
        return "ContainerFailed", f"{reason}: {message}"
    return None


def _exit(terminated: Mapping[str, Any]) -> str:
    if not terminated:
        return ""
    reason = f" ({terminated['reason']})" if terminated.get("reason") else ""
    message = f": {terminated['message']}" if terminated.get("message") else ""
    return f"the container exited with code {terminated.get('exitCode', 0)}{reason}{message}"
