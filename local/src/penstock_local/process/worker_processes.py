"""The worker processes of `penstock dev`, one per route that can be served; follows a changed plan.

Must not depend on routes, or on the changes of their plan.
"""

import asyncio
from collections.abc import Callable, Mapping

from penstock_local.process.child import Child
from penstock_local.process.commands import Command

RETIRE_S = 3_600.0
"""A worker that is no longer wanted takes no request and ends its streams; after this time it is killed."""


class WorkerProcesses:
    """`want` may be called before `start`, and at any time after it. Call `stop` after `start`."""

    def __init__(self, make: Callable[[Command], Child]) -> None:
        self._make = make
        self._children: dict[str, Child] = {}
        self._retired: dict[Child, asyncio.Task[None]] = {}
        self._started = False

    def __len__(self) -> int:
        return len(self._children)

    @property
    def children(self) -> list[Child]:
        """With those that end their last streams."""
        return [*self._children.values(), *self._retired]

    def key_of(self, child: Child) -> str | None:
        """The route of a worker that is wanted."""
        return next((key for key, worker in self._children.items() if worker is child), None)

    def want(self, commands: Mapping[str, Command]) -> None:
        """Run one worker for each key. One whose command differs is replaced: the new one starts at once, the old one
        stops when its streams have ended. A changed spec needs no other process: workers watch the catalogue.
        """
        for key in [key for key, child in self._children.items() if commands.get(key) != child.command]:
            self._retire(self._children.pop(key))
        for key, command in commands.items():
            if key not in self._children:
                self._children[key] = self._make(command)
                if self._started:
                    self._children[key].start()

    def start(self) -> None:
        self._started = True
        for child in self._children.values():
            child.start()

    async def stop(self, grace_s: float) -> None:
        """End all of them, with those that still have streams."""
        await asyncio.gather(*(child.stop(grace_s) for child in self.children))
        await asyncio.gather(*self._retired.values())

    def _retire(self, child: Child) -> None:
        if self._started:
            task = asyncio.create_task(child.stop(RETIRE_S))
            self._retired[child] = task
            task.add_done_callback(lambda _: self._retired.pop(child, None))
