"""A pod with its worker process, and the order in which a ReplicaSet removes such pods."""

from collections.abc import Iterable
from typing import Any

from unit.support import routes

from penstock_operator.scaling.worker_state import DELETION_COST, WorkerReport


class SimulatedWorker:
    """A pod and its process."""

    def __init__(self, name: str, slots: int) -> None:
        self.name = name
        self.slots = slots
        self.in_flight = 0
        self.started = False
        self.draining = False
        self.stopping = False
        self.ready = False
        """The last result of the kubelet's probe."""
        self.annotations: dict[str, str] = {}
        self.report: WorkerReport | None = None
        self.refusing_keys: tuple[str, ...] = ()
        self.failing: tuple[str, ...] = ()
        self.reported_at = 0.0

    @property
    def number(self) -> int:
        """The highest number belongs to the youngest pod."""
        return int(self.name.rsplit("-", 1)[1])

    def body(self, version: int) -> dict[str, Any]:
        """The pod as the API server returns it."""
        body = routes.pod(self.name, ready=self.ready, phase="Running" if self.started else "Pending")
        body["metadata"] |= {
            "uid": self.name,
            "labels": {"penstock.dev/route": "main"},
            "annotations": dict(self.annotations),
            "resourceVersion": str(version),
        }
        if self.stopping:
            body["metadata"]["deletionTimestamp"] = routes.CREATED
        return body


def in_order_of_removal(workers: Iterable[SimulatedWorker]) -> list[SimulatedWorker]:
    """The order of the real ReplicaSet: pods that are not ready, then the cheapest, then the youngest."""
    return sorted(workers, key=lambda one: (one.ready, int(one.annotations.get(DELETION_COST, "0")), -one.number))
