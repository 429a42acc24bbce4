"""The state of a route's workers at one moment, joined from pods, heartbeats and drain intentions; pure.

An intention to drain a worker is written on its pod as a deletion cost: the ReplicaSet removes the cheapest of the
ready pods, and the next leader reads there which drains were started.
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from penstock_operator.scaling.observation import Observation
from penstock_operator.scaling.scale_in import WorkerLoad

DELETION_COST: Final = "controller.kubernetes.io/pod-deletion-cost"
CHEAP: Final = "-1000"


class WorkerReport(Struct, frozen=True):
    """The contents of a worker's last heartbeat."""

    slots: int
    in_flight: int
    draining: bool
    refusing_keys: tuple[str, ...] = ()
    failing: tuple[str, ...] = ()


class WorkerState(Struct, frozen=True):
    """`replicas` is the Deployment's number. `loads` are pods that are not being deleted.

    `unasked` report that they drain without an intention. `marked` are pods with the operator's deletion cost.
    """

    replicas: int
    loads: tuple[WorkerLoad, ...]
    unasked: tuple[str, ...] = ()
    marked: frozenset[str] = frozenset()

    @property
    def draining(self) -> frozenset[str]:
        return frozenset(load.name for load in self.loads if load.draining)

    @property
    def serving(self) -> int:
        return max(0, self.replicas - len(self.draining))

    def observed(self, *, pending: int, ack_pending: int) -> Observation:
        in_flight = sum(load.in_flight for load in self.loads if not load.draining)
        return Observation(
            replicas=self.replicas,
            ready=sum(load.ready and not load.draining for load in self.loads),
            draining=len(self.draining),
            pending=pending,
            # A delivered, unacked request is on a worker, or was on one that crashed: JetStream does not count the
            # latter as pending, and without a worker that pulls it would wait forever.
            in_flight=max(in_flight, ack_pending),
        )


def build(
    replicas: int,
    pods: Sequence[Mapping[str, Any]],
    reports: Mapping[str, WorkerReport],
    intended: Mapping[str, bool],
    leaving: Collection[str],
) -> WorkerState:
    """`intended` overrides a pod's annotation. `leaving` are pods that a smaller number has just left out."""
    present = [pod for pod in pods if is_active(pod) and pod["metadata"]["name"] not in leaving]
    marked = frozenset(pod["metadata"]["name"] for pod in present if is_marked(pod))
    loads: list[WorkerLoad] = []
    unasked: list[str] = []
    for pod in present:
        name = pod["metadata"]["name"]
        report = reports.get(name)
        wanted = intended.get(name, name in marked)
        if report is not None and report.draining and not wanted:
            unasked.append(name)
        loads.append(
            WorkerLoad(
                name=name,
                slots=0 if report is None else report.slots,
                in_flight=0 if report is None else report.in_flight,
                # A worker without heartbeats cannot finish anything: it counts as not ready, and is removed as such.
                draining=wanted and report is not None,
                # And the ReplicaSet sees the mark: before that, a smaller number would remove another pod.
                confirmed=report is not None and report.draining and (name in marked or not _is_ready(pod)),
                started_at=_seconds(pod["metadata"].get("creationTimestamp")),
                ready=report is not None,
            )
        )
    return WorkerState(replicas, tuple(loads), tuple(unasked), marked)


def is_active(pod: Mapping[str, Any]) -> bool:
    """True if the pod counts for its ReplicaSet."""
    phase = pod.get("status", {}).get("phase")
    return "deletionTimestamp" not in pod["metadata"] and phase not in {"Succeeded", "Failed"}


def is_marked(pod: Mapping[str, Any]) -> bool:
    return bool(pod["metadata"].get("annotations", {}).get(DELETION_COST) == CHEAP)


def _is_ready(pod: Mapping[str, Any]) -> bool:
    conditions = pod.get("status", {}).get("conditions", ())
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _seconds(timestamp: str | None) -> float:
    return dt.datetime.fromisoformat(timestamp).timestamp() if timestamp else 0.0
