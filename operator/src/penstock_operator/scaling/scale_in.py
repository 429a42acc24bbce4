"""Selects the workers that drain, resume or may be removed, so that a scale-in cuts no stream; pure.

A Deployment takes only a number, so the pods to remove must be idle first. They drain, count for the Deployment while
they finish their streams, and leave its number when they are done.
"""

from collections.abc import Sequence

from msgspec import Struct


class WorkerLoad(Struct, frozen=True, kw_only=True):
    """A pod of the route's Deployment that is not being deleted. `started_at` is comparable among a route's workers.

    `draining`: was requested to drain. `confirmed`: its heartbeat reports that it drains, so that its `in_flight` can
    only fall. `ready`: pulls, or has pulled; a pod that has never sent a heartbeat is not ready.
    """

    name: str
    slots: int
    in_flight: int
    draining: bool
    started_at: float
    ready: bool
    confirmed: bool = True

    @property
    def drained(self) -> bool:
        return self.draining and self.confirmed and self.in_flight == 0


class Steps(Struct, frozen=True):
    """The next writes: drain and resume workers, then set the Deployment's `replicas`.

    `gone` are the pods that the number leaves out, for the ReplicaSet to select: drained ones, and those that never
    pulled.
    """

    replicas: int
    drain: tuple[str, ...] = ()
    resume: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()


def steps(target: int, replicas: int, workers: Sequence[WorkerLoad]) -> Steps:
    """The steps from a Deployment with `replicas` towards `target` serving workers.

    Call again after every change: a draining worker keeps its place until it is drained.
    """
    draining = [worker for worker in workers if worker.draining]
    serving = max(0, replicas - len(draining))
    resume = to_resume(workers, max(0, target - serving))
    left = [worker for worker in draining if worker not in resume]
    drained = [worker for worker in left if worker.drained]
    # A worker that is not ready, or does not exist yet, is removed without a drain.
    starting = [worker for worker in workers if not worker.ready and not worker.draining]
    ready = len(workers) - len(draining) - len(starting)
    excess = max(0, serving - target)
    absent = max(0, serving - ready - len(starting))
    starting.sort(key=lambda worker: (-worker.started_at, worker.name))
    drain = to_drain(workers, min(excess, max(0, ready - target)))
    return Steps(
        target + len(left) - len(drained) + len(drain),
        drain=_names(drain),
        resume=_names(resume),
        gone=_names(drained + starting[: max(0, excess - absent)]),
    )


def _names(workers: Sequence[WorkerLoad]) -> tuple[str, ...]:
    return tuple(worker.name for worker in workers)


def to_drain(workers: Sequence[WorkerLoad], count: int) -> list[WorkerLoad]:
    """The ready workers with the fewest streams, and of these the youngest."""
    ready = [worker for worker in workers if worker.ready and not worker.draining]
    return sorted(ready, key=lambda worker: (worker.in_flight, -worker.started_at, worker.name))[:count]


def to_resume(workers: Sequence[WorkerLoad], count: int) -> list[WorkerLoad]:
    """The busiest draining workers, and of these the oldest: the others are drained sooner."""
    draining = [worker for worker in workers if worker.draining]
    return sorted(draining, key=lambda worker: (-worker.in_flight, worker.started_at, worker.name))[:count]
