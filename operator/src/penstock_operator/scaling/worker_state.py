"""A route's workers at one moment, put together of what its pods, their heartbeats and our own intentions say; pure.

An intention to have a worker drained is written on its pod, as a deletion cost: the ReplicaSet takes the cheapest pod
of those that are ready, and whoever leads after us reads there what we had begun.
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from penstock_operator.scaling.observation import Observation
from penstock_operator.scaling.scale_in import WorkerLoad
from penstock_operator.scaling.worker_heartbeats import WorkerReport

DELETION_COST: Final = "controller.kubernetes.io/pod-deletion-cost"
CHEAP: Final = "-1000"


class WorkerState(Struct, frozen=True):
    """`replicas` is what the Deployment asks for. `loads` are pods that are not on their way out.

    `unasked` say that they drain, but nobody wants it. `marked` are pods that carry our deletion cost.
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
            # What was delivered and not acked is in some worker's hands, but for what one gave back or took along when
            # it died: JetStream does not count that as pending, and with nobody left to pull it would wait for ever.
            in_flight=max(in_flight, ack_pending),
        )


def build(
    replicas: int,
    pods: Sequence[Mapping[str, Any]],
    heard: Mapping[str, WorkerReport],
    intended: Mapping[str, bool],
    leaving: Collection[str],
) -> WorkerState:
    """`intended` overrides what is written on a pod. `leaving` are pods that a smaller number has just left out."""
    present = [pod for pod in pods if is_active(pod) and pod["metadata"]["name"] not in leaving]
    marked = frozenset(pod["metadata"]["name"] for pod in present if is_marked(pod))
    loads: list[WorkerLoad] = []
    unasked: list[str] = []
    for pod in present:
        name = pod["metadata"]["name"]
        says = heard.get(name)
        wanted = intended.get(name, name in marked)
        if says is not None and says.draining and not wanted:
            unasked.append(name)
        loads.append(
            WorkerLoad(
                name=name,
                slots=0 if says is None else says.slots,
                in_flight=0 if says is None else says.in_flight,
                # One that is not heard (any more) cannot finish anything: it counts as not ready, and goes as such.
                draining=wanted and says is not None,
                # And the ReplicaSet can see that it is this one: before that, a smaller number would end another.
                confirmed=says is not None and says.draining and (name in marked or not _is_ready(pod)),
                started_at=_seconds(pod["metadata"].get("creationTimestamp")),
                ready=says is not None,
            )
        )
    return WorkerState(replicas, tuple(loads), tuple(unasked), marked)


def is_active(pod: Mapping[str, Any]) -> bool:
    """Whether it counts for its ReplicaSet."""
    phase = pod.get("status", {}).get("phase")
    return "deletionTimestamp" not in pod["metadata"] and phase not in {"Succeeded", "Failed"}


def is_marked(pod: Mapping[str, Any]) -> bool:
    return bool(pod["metadata"].get("annotations", {}).get(DELETION_COST) == CHEAP)


def _is_ready(pod: Mapping[str, Any]) -> bool:
    conditions = pod.get("status", {}).get("conditions", ())
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _seconds(timestamp: str | None) -> float:
    return dt.datetime.fromisoformat(timestamp).timestamp() if timestamp else 0.0
