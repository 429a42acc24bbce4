"""Penstock: the operator's own `decide` and `steps`, called as its autoscaler calls them."""

from scaling.world import MAX_REPLICAS, SLOTS, Pod, World

from penstock_contract.route.scaling import ScalingSpec
from penstock_operator.scaling.decision import decide
from penstock_operator.scaling.history import History
from penstock_operator.scaling.observation import Observation, Unavailable
from penstock_operator.scaling.scale_in import WorkerLoad, steps

HEARTBEAT_S = 1.0
ACTIVATION_S = 0.1
"""At most one activation in this time; the first at once."""


class Ours:
    """`in_flight` is as old as the last heartbeats, `pending` is read on the spot."""

    grace_s = 660.0

    def __init__(
        self, name: str = "Penstock", target_utilization_percent: int = 100, stable_window_s: int = 60
    ) -> None:
        self.name = name
        self._spec = ScalingSpec(
            max_replicas=MAX_REPLICAS,
            concurrency_per_replica=SLOTS,
            target_utilization_percent=target_utilization_percent,
            stable_window_seconds=stable_window_s,
        )
        self._history = History()
        self._heartbeat_at = -HEARTBEAT_S
        self._in_flight: dict[str, int] = {}
        self._activated_at = -ACTIVATION_S

    def on_waiting(self, world: World) -> float | None:
        self._activated_at = max(world.now, self._activated_at + ACTIVATION_S)
        return self._activated_at

    def tick(self, world: World) -> float | None:
        members = world.members
        if world.now >= self._heartbeat_at + HEARTBEAT_S:
            self._heartbeat_at = world.now
            self._in_flight = {pod.name: pod.streams for pod in members if pod.ready}
        draining = sum(pod.draining for pod in members)
        serving = world.replicas - draining
        seen = Unavailable("QueueUnreachable", serving) if world.blind else self._observe(world, members, draining)
        decision, self._history = decide(self._spec, seen, self._history, world.now)
        if decision.replicas is not None:
            world.request_replicas(decision.replicas)
        if decision.replicas is not None or draining:
            self._carry_out(world, members, serving if decision.replicas is None else decision.replicas)
        elif decision.again_in_s is None:
            return None
        return self._heartbeat_at + HEARTBEAT_S

    def _observe(self, world: World, members: list[Pod], draining: int) -> Observation:
        return Observation(
            replicas=world.replicas,
            ready=sum(pod.pulls for pod in members),
            draining=draining,
            pending=world.pending,
            in_flight=sum(self._in_flight.get(pod.name, 0) for pod in members if not pod.draining),
        )

    def _carry_out(self, world: World, members: list[Pod], target: int) -> None:
        pods = {pod.name: pod for pod in members}
        todo = steps(target, world.replicas, [_load(pod) for pod in members])
        for name in todo.resume:
            pods[name].draining = False
        for name in todo.drain:
            pods[name].draining = True
        for name in todo.gone:
            world.delete(pods[name])
        world.set_replicas(todo.replicas)
        world.serve()


def _load(pod: Pod) -> WorkerLoad:
    return WorkerLoad(
        name=pod.name,
        slots=SLOTS,
        in_flight=pod.streams,
        draining=pod.draining,
        started_at=pod.created_at,
        ready=pod.ready,
    )
