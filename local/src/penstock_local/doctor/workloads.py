"""Why a Job, Deployment or StatefulSet of a release has no running pod, in the cluster's own message; pure.

The Job controller deletes the pod of a Job at its deadline. The Events of the pod remain for an hour.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from msgspec import Struct

OBJECT = Mapping[str, Any]
CHART: Final = re.compile(r"penstock-\d")
MESSAGE_MAX: Final = 500
_STARTING: Final = frozenset({"", "ContainerCreating", "PodInitializing"})
_IMAGE: Final = re.compile(r"image|registry", re.IGNORECASE)
_FOLLOWING: Final = frozenset({"BackOff", "DeadlineExceeded", "BackoffLimitExceeded", "Unhealthy"})
"""Reasons of Events that only follow from an earlier one."""


class Cause(Struct, frozen=True):
    """`pod` is set for a container that has exited: its log has the reason."""

    kind: Literal["unschedulable", "image", "exit", "other"]
    message: str
    pod: str = ""


class Workload(Struct, frozen=True):
    """`state` is `waiting` where nothing is known to be wrong."""

    kind: str
    name: str
    state: Literal["running", "waiting", "failed"]
    cause: Cause | None


def of_release(objects: Sequence[OBJECT]) -> list[Workload]:
    """The workloads of the chart among all objects of a namespace, in the order of their kinds."""
    found = [_workload(one, objects) for one in objects if _is_of_chart(one)]
    return sorted(found, key=lambda one: (one.kind, one.name))


def _is_of_chart(one: OBJECT) -> bool:
    chart = one["metadata"].get("labels", {}).get("helm.sh/chart", "")
    return one["kind"] in {"Job", "Deployment", "StatefulSet"} and CHART.match(chart) is not None


def _workload(one: OBJECT, objects: Sequence[OBJECT]) -> Workload:
    kind, name = one["kind"], one["metadata"]["name"]
    state = _job_state(one) if kind == "Job" else _replicas_state(one)
    if state == "running":
        return Workload(kind, name, "running", None)
    owned = _owned(one, objects)
    causes = (_of_pod(pod) for pod in owned if pod["kind"] == "Pod")
    cause = next((cause for cause in causes if cause is not None), None) or _of_events(one, owned, objects)
    return Workload(kind, name, "failed" if cause is not None else state, cause)


def _job_state(job: OBJECT) -> Literal["running", "waiting", "failed"]:
    conditions = {one["type"] for one in job.get("status", {}).get("conditions", ()) if one["status"] == "True"}
    if "Complete" in conditions:
        return "running"
    return "failed" if {"Failed", "FailureTarget"} & conditions else "waiting"


def _replicas_state(one: OBJECT) -> Literal["running", "waiting"]:
    ready = one.get("status", {}).get("readyReplicas", 0) >= one["spec"].get("replicas", 1)
    current = one.get("status", {}).get("observedGeneration", 0) >= one["metadata"]["generation"]
    updated = one.get("status", {}).get("updatedReplicas", 0) >= one["spec"].get("replicas", 1)
    return "running" if ready and current and updated else "waiting"


def _owned(owner: OBJECT, objects: Iterable[OBJECT]) -> list[OBJECT]:
    """ReplicaSets and pods below it, the newest first."""
    found: list[OBJECT] = []
    owners = {owner["metadata"]["uid"]}
    for kind in ("ReplicaSet", "Pod"):
        below = [one for one in objects if one["kind"] == kind and owners & _owners(one)]
        owners |= {one["metadata"]["uid"] for one in below}
        found += below
    return sorted(found, key=lambda one: one["metadata"]["creationTimestamp"], reverse=True)


def _owners(one: OBJECT) -> set[str]:
    return {reference["uid"] for reference in one["metadata"].get("ownerReferences", ())}


def _of_pod(pod: OBJECT) -> Cause | None:
    status = pod.get("status", {})
    for condition in status.get("conditions", ()):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return Cause("unschedulable", _line(condition.get("message") or condition.get("reason", "")))
    for container in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
        if (cause := _of_container(container, pod["metadata"]["name"])) is not None:
            return cause
    return None


def _of_container(container: OBJECT, pod: str) -> Cause | None:
    if container.get("ready"):
        return None
    state = container.get("state", {})
    exit_ = state.get("terminated") or container.get("lastState", {}).get("terminated", {})
    if exit_.get("exitCode"):
        reason = f" ({exit_['reason']})" if exit_.get("reason", "Error") != "Error" else ""
        return Cause("exit", f"its container exited with code {exit_['exitCode']}{reason}", pod)
    waiting = state.get("waiting", {})
    if (reason := waiting.get("reason", "")) in _STARTING:
        return None
    message = _line(f"{reason}: {waiting.get('message', '')}".rstrip(": "))
    return Cause("image" if _IMAGE.search(reason) else "other", message)


def _of_events(workload: OBJECT, owned: Iterable[OBJECT], objects: Iterable[OBJECT]) -> Cause | None:
    """The newest Warning about the workload, what it owns, or a pod of it that is gone."""
    uids = {workload["metadata"]["uid"], *(one["metadata"]["uid"] for one in owned)}
    gone = re.compile(rf"{re.escape(workload['metadata']['name'])}-[a-z0-9]{{5}}")
    made = workload["metadata"]["creationTimestamp"].removesuffix("Z")
    found = [
        event
        for event in objects
        if event["kind"] == "Event"
        and event.get("type") == "Warning"
        and event.get("reason") not in _FOLLOWING
        and _time(event) >= made
        and (
            event["involvedObject"].get("uid") in uids
            or (workload["kind"] == "Job" and gone.fullmatch(event["involvedObject"].get("name", "")))
        )
    ]
    # "Error: ErrImagePull" comes after the message that has the reason.
    for event in sorted(found, key=_time, reverse=True):
        if not (message := event.get("message", "")).startswith("Error: "):
            kind = _event_kind(event)
            return Cause(kind, _line(message))
    return None


def _event_kind(event: OBJECT) -> Literal["unschedulable", "image", "other"]:
    if event.get("reason") == "FailedScheduling":
        return "unschedulable"
    return "image" if _IMAGE.search(event.get("message", "")) and event.get("reason") == "Failed" else "other"


def _time(event: OBJECT) -> str:
    """In UTC, whole seconds like those of all other objects; comparable as text."""
    series = event.get("series") or {}
    found: str = series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime") or ""
    return found[: len("2026-01-01T00:00:00")]


def _line(message: str) -> str:
    line = " ".join(message.split())
    return line if len(line) <= MESSAGE_MAX else line[: MESSAGE_MAX - 1] + "…"
