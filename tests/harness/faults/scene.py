"""One fault, injected into a running system, in four steps, with the times between them.

await scene.inject(scene.create(worker={"image": "test/none:1"}))
await scene.reports("Ready", "False ImagePullFailed", "not found")
await scene.cure("the image is pushed", scene.kubelet.push("test/none:1", WORKER))
await scene.recovers()
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any

from harness.faults.observer import Observer, Statement
from harness.faults.outcome import Outcome
from harness.faults.site import Site
from harness.kubernetes.api import PODS, ROUTES, Manifest
from harness.kubernetes.model_routes import model_route
from msgspec import Struct

REPORTED_S = 30.0
"""Longer than is allowed, so that a late report is measured too."""
SERVED_S = 40.0


class Scene:
    """`name` is of the fault's route, which every fault has for itself; so are its models."""

    def __init__(self, fault: "Fault", name: str, site: Site, observer: Observer) -> None:
        self.name, self.site = name, site
        self.namespace = site.extra[fault.extra] if fault.extra else site.home
        self._hollow = fault.hollow
        self.api, self.kubelet = site.api, site.kubelet
        self.outcome = Outcome(fault.name)
        self._observer = observer
        self._since = self._reports_since = 0.0

    @property
    def worker(self) -> str:
        """Of the route's objects."""
        return f"{self.name}-worker"

    async def pods(self) -> list[Manifest]:
        return await self.api.list(PODS.at(self.namespace), labelSelector=f"penstock.dev/route={self.name}")

    # Before

    async def create(self, name: str | None = None, **spec: Any) -> Manifest:
        """A route with one worker and a model of its own name, both unless `spec` has others."""
        name = name or self.name
        spec = {"scaling": {"minReplicas": 1}, **spec}
        if self._hollow:
            spec["worker"] = {"image": self.site.hollow_image, **spec.get("worker", {})}
        return await self.api.create(ROUTES.at(self.namespace), model_route(name, **{"models": (name,), **spec}))

    async def serve(self, **spec: Any) -> None:
        """Create the route, and wait until it is served."""
        await self.create(**spec)
        await self._until("the route is served before the fault", _well, SERVED_S)

    async def change(self, **spec: Any) -> Manifest:
        """Merge fields into the route's spec."""
        return await self.api.patch(ROUTES.at(self.namespace, self.name), {"spec": spec})

    # The four steps

    async def inject(self, fault: Awaitable[Any] | None = None) -> None:
        """The clock starts when the fault is complete; without an argument it is already."""
        self._reports_since = time.monotonic()
        if fault is not None:
            await fault
        self._since = time.monotonic()

    async def reports(self, type_: str, reported: str, words: str = "") -> None:
        """Wait until the condition has this state, with this text in its message; it may change again."""

        def holds(statement: Statement) -> bool:
            condition = statement.conditions.get(type_)
            return condition is not None and condition.reported == reported and words in condition.message

        seen = await self._until(f"{type_} is {reported!r} with {words!r}", holds, REPORTED_S)
        self._reports_since = seen.at
        self.record_report(f"{type_}={reported}: {seen.conditions[type_].message}", seen.at)

    async def emits_event(self, reason: str, words: str) -> None:
        """Wait for an Event about the route with this text."""

        def find() -> Any:
            events = self._observer.events(self.namespace, self.name)
            fitting = (one for one in events if one.reason == reason and words in one.note)
            return next((one for one in fitting if one.at >= self._reports_since), None)

        seen = await self._observer.wait_for(find, f"an Event {reason} with {words!r}", REPORTED_S)
        self.record_report(f"Event {reason}: {seen.note}", seen.at)

    def record_report(self, words: str, at: float | None = None) -> None:
        """The fault was reported by other means."""
        self.outcome.report = words
        self.outcome.reported_s = (at or time.monotonic()) - self._since

    def record_no_report(self, why: str) -> None:
        """The fault could not be reported."""
        self.outcome.report = f"({why})"

    async def cure(self, what: str, cure: Awaitable[Any] | None = None) -> None:
        """The clock starts again when it is done."""
        self.outcome.cure = what
        await self.inject(cure)

    async def recovers(self) -> None:
        """Wait until the route is served without a problem; without a cure, counted from the fault on."""
        seen = await self._until("the route is served again", _well, REPORTED_S, last=True)
        self.clear(seen.at)

    async def settles_with(self, type_: str, reported: str) -> None:
        """Wait until the status is current and has this condition."""

        def holds(statement: Statement) -> bool:
            condition = statement.conditions.get(type_)
            return statement.settled and condition is not None and condition.reported == reported

        seen = await self._until(f"{type_} is {reported!r}", holds, REPORTED_S)
        self.clear(seen.at)

    async def restored(self, restored: Awaitable[Any]) -> None:
        """Wait for another sign of the recovery."""
        await restored
        self.clear()

    def clear(self, at: float | None = None) -> None:
        """The fault has ended."""
        self.outcome.cleared_s = (at or time.monotonic()) - self._since

    async def _until(
        self, what: str, holds: Callable[[Statement], bool], timeout_s: float, *, last: bool = False
    ) -> Statement:
        """The first statement that `holds`, or the last one as soon as it does."""

        def find() -> Statement | None:
            reported = self._observer.statements(self.namespace, self.name)
            counted = [one for one in (reported[-1:] if last else reported) if one.at >= self._reports_since]
            return next(filter(holds, counted), None)

        try:
            return await self._observer.wait_for(find, what, timeout_s)
        except TimeoutError as error:
            reported = self._observer.statements(self.namespace, self.name)
            raise TimeoutError(f"{error}; last status: {reported[-1].conditions if reported else None}") from None


Steps = Callable[[Scene], Awaitable[None]]


class Fault(Struct, frozen=True):
    """`extra` names a namespace of the site's that is this fault's alone; else it is in the site's home.

    `hollow`: the fault does not concern workers. Hollow pods are ready without a process, which saves seconds of CPU.
    """

    name: str
    steps: Steps
    extra: str = ""
    hollow: bool = False


def _well(statement: Statement) -> bool:
    reported = {type_: condition.reported.split()[0] for type_, condition in statement.conditions.items()}
    return statement.settled and (reported.get("Ready"), reported.get("Degraded")) == ("True", "False")
