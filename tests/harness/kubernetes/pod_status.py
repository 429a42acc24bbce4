"""A pod's status as a kubelet writes it for a pod of one container. Pure.

After pkg/kubelet/status/generate.go and kubelet_pods.go of Kubernetes 1.36.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

OWN_CONDITIONS = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady")


class Waiting(Struct, frozen=True):
    reason: str
    message: str = ""


class Running(Struct, frozen=True):
    since: float


class Terminated(Struct, frozen=True):
    """`code` is 128 plus the signal for one that was killed."""

    code: int
    started: float
    finished: float
    reason: str
    message: str = ""


class ContainerState(Struct, frozen=True, kw_only=True):
    state: Waiting | Running | Terminated = Waiting("ContainerCreating")
    last: Terminated | None = None
    restarts: int = 0
    started: bool = False
    ready: bool = False

    def becomes(self, state: Waiting | Running | Terminated) -> "ContainerState":
        """The last state is kept only if the container ran to an end."""
        last = self.state if isinstance(self.state, Terminated) else self.last
        return replace(self, state=state, last=last, started=False, ready=False)


class Verdict(Struct, frozen=True):
    """The reason why the node ended the pod: `Evicted`, with the node's message."""

    reason: str
    message: str


def status(
    pod: Mapping[str, Any],
    container: ContainerState,
    *,
    pod_ip: str,
    started: float,
    now: float,
    over: bool,
    verdict: Verdict | None = None,
) -> dict[str, Any]:
    """The part of the status that is the kubelet's. `over`: nothing runs and nothing will."""
    phase = _phase(container, over=over, failed=verdict is not None)
    spec = pod["spec"]["containers"][0]
    result: dict[str, Any] = {
        "phase": phase,
        "conditions": _conditions(pod, container, phase, _time(now)),
        "containerStatuses": [
            {
                "name": spec["name"],
                "image": spec["image"],
                "imageID": "",
                "restartCount": container.restarts,
                "ready": container.ready,
                "started": container.started,
                "state": _state(container.state),
                "lastState": {} if container.last is None else _state(container.last),
            }
        ],
        "hostIP": "127.0.0.1",
        "podIP": pod_ip,
        "podIPs": [{"ip": pod_ip}],
        "startTime": _time(started),
    }
    if verdict is not None:
        result |= {"reason": verdict.reason, "message": verdict.message}
    return result


def _phase(container: ContainerState, *, over: bool, failed: bool) -> str:
    if failed:
        return "Failed"
    if over and isinstance(container.state, Terminated):
        return "Succeeded" if container.state.code == 0 else "Failed"
    began = isinstance(container.state, Running | Terminated) or container.last is not None
    return "Running" if began else "Pending"


def _conditions(pod: Mapping[str, Any], container: ContainerState, phase: str, now: str) -> list[dict[str, Any]]:
    before = {condition["type"]: condition for condition in pod.get("status", {}).get("conditions", [])}
    name = pod["spec"]["containers"][0]["name"]
    why: dict[str, str] = {}
    if not container.ready:
        why = {"reason": "ContainersNotReady", "message": f"containers with unready status: [{name}]"}
    if phase in {"Succeeded", "Failed"}:
        why = {"reason": "PodCompleted" if phase == "Succeeded" else "PodFailed"}
    ready = {"status": "True" if container.ready else "False", **why}
    wanted = dict.fromkeys(OWN_CONDITIONS, ready) | {
        "PodReadyToStartContainers": {"status": "True"},
        "Initialized": {"status": "True"},
    }
    result = []
    for kind, condition in wanted.items():
        old = before.get(kind, {})
        since = old.get("lastTransitionTime", now) if old.get("status") == condition["status"] else now
        # A strategic merge patch keeps what it does not name.
        cleared = {"reason": None, "message": None}
        result.append({"type": kind, "lastTransitionTime": since, **cleared, **condition})
    return result


def _state(state: Waiting | Running | Terminated) -> dict[str, Any]:
    if isinstance(state, Waiting):
        return {"waiting": {"reason": state.reason, **({"message": state.message} if state.message else {})}}
    if isinstance(state, Running):
        return {"running": {"startedAt": _time(state.since)}}
    return {
        "terminated": {
            "exitCode": state.code,
            "reason": state.reason,
            "startedAt": _time(state.started),
            "finishedAt": _time(state.finished),
            **({"message": state.message} if state.message else {}),
        }
    }


def _time(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
