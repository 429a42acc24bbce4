"""One fault, injected into a running system, in four steps, with the times between them.

await scene.inject(scene.create(worker={"image": "test/none:1"}))
await scene.says("Ready", "False ImagePullFailed", "not found")
await scene.cure("the image is pushed", scene.kubelet.push("test/none:1", WORKER))
await scene.recovers()
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any

from harness.faults.outcome import Outcome
from harness.faults.site import Site
from harness.faults.witness import Statement, Witness
from harness.kubernetes.api import PODS, ROUTES, Manifest
from harness.kubernetes.model_routes import model_route
from msgspec import Struct

HEARD_S = 30.0
"""Longer than is allowed, so that a late report is measured too."""
SERVED_S = 40.0


class Scene:
    """`name` is of the fault's route, which every fault has for itself; so are its models."""

    def __init__(self, fault: "Fault", name: str, site: Site, witness: Witness) -> None:
        self.name, self.site = name, site
        self.namespace = site.extra[fault.extra] if fault.extra else site.home
        self._hollow = fault.hollow
        self.api, self.kubelet = site.api, site.kubelet
        self.outcome = Outcome(fault.name)
        self._witness = witness
        self._since = self._heard_since = 0.0

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
        """The route, and wait until it is well."""
        await self.create(**spec)
        await self._until("the route is served before the fault", _well, SERVED_S)

    async def change(self, **spec: Any) -> Manifest:
        """Merge fields into the route's spec."""
        return await self.api.patch(ROUTES.at(self.namespace, self.name), {"spec": spec})

    # The four steps

    async def inject(self, fault: Awaitable[Any] | None = None) -> None:
        """The clock starts when it is there; without an argument it is already."""
        self._heard_since = time.monotonic()
        if fault is not None:
            await fault
        self._since = time.monotonic()

    async def says(self, type_: str, said: str, words: str = "") -> None:
        """Wait until the condition has this state, with this text in its message; it may change again."""

        def holds(statement: Statement) -> bool:
            condition = statement.conditions.get(type_)
            return condition is not None and condition.said == said and words in condition.message

        heard = await self._until(f"{type_} is {said!r} with {words!r}", holds, HEARD_S)
        self._heard_since = heard.at
        self.tell(f"{type_}={said}: {heard.conditions[type_].message}", heard.at)

    async def tells(self, reason: str, words: str) -> None:
        """Wait for an Event about the route with this text."""

        def find() -> Any:
            events = self._witness.events(self.namespace, self.name)
            fitting = (one for one in events if one.reason == reason and words in one.note)
            return next((one for one in fitting if one.at >= self._heard_since), None)

        heard = await self._witness.hears(find, f"an Event {reason} with {words!r}", HEARD_S)
        self.tell(f"Event {reason}: {heard.note}", heard.at)

    def tell(self, words: str, at: float | None = None) -> None:
        """The fault was reported by other means."""
        self.outcome.told = words
        self.outcome.told_s = (at or time.monotonic()) - self._since

    def untold(self, why: str) -> None:
        """The fault could not be reported."""
        self.outcome.told = f"({why})"

    async def cure(self, what: str, cure: Awaitable[Any] | None = None) -> None:
        """The clock starts again when it is done."""
        self.outcome.cure = what
        await self.inject(cure)

    async def recovers(self) -> None:
        """Wait until all is well with the route; without a cure, counted from the fault on."""
        heard = await self._until("all is well again", _well, HEARD_S, last=True)
        self.clear(heard.at)

    async def says_so(self, type_: str, said: str) -> None:
        """Wait until the status is current again, good or bad."""

        def holds(statement: Statement) -> bool:
            condition = statement.conditions.get(type_)
            return statement.settled and condition is not None and condition.said == said

        heard = await self._until(f"{type_} is {said!r}", holds, HEARD_S)
        self.clear(heard.at)

    async def restored(self, restored: Awaitable[Any]) -> None:
        """Wait for what else shows that it is over."""
        await restored
        self.clear()

    def clear(self, at: float | None = None) -> None:
        """It is over."""
        self.outcome.cleared_s = (at or time.monotonic()) - self._since

    async def _until(
        self, what: str, holds: Callable[[Statement], bool], timeout_s: float, *, last: bool = False
    ) -> Statement:
        """The first statement that `holds`, or the last one as soon as it does."""

        def find() -> Statement | None:
            said = self._witness.statements(self.namespace, self.name)
            counted = [one for one in (said[-1:] if last else said) if one.at >= self._heard_since]
            return next(filter(holds, counted), None)

        try:
            return await self._witness.hears(find, what, timeout_s)
        except TimeoutError as error:
            said = self._witness.statements(self.namespace, self.name)
            raise TimeoutError(f"{error}; it said last: {said[-1].conditions if said else None}") from None


Story = Callable[[Scene], Awaitable[None]]


class Fault(Struct, frozen=True):
    """`extra` names a namespace of the site's that is this fault's alone; else it is in the site's home.

    `hollow`: it is not about workers, and theirs are ready without being there. Starting one takes seconds of CPU.
    """

    name: str
    story: Story
    extra: str = ""
    hollow: bool = False


def _well(statement: Statement) -> bool:
    said = {type_: condition.said.split()[0] for type_, condition in statement.conditions.items()}
    return statement.settled and (said.get("Ready"), said.get("Degraded")) == ("True", "False")
