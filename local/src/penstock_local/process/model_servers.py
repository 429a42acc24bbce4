"""The bundled models' server processes, and what is known of each: loading, its address, or why it cannot serve."""

import asyncio
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from penstock_local.models.bundled import TITLES, BundledModel, ModelState
from penstock_local.process.child import Child, Exit
from penstock_local.process.commands import Command

CANNOT_SERVE = 2
"""A model server's exit code for a permanent failure: no restart."""


class ModelServers:
    """`command` gives the command line for a model and a port; `on_changed` is called with what the screen shows, or
    "" for a failure, which the routes show. A model that is no longer wanted stays: another edit may need it again.
    """

    def __init__(
        self,
        make: Callable[[Command], Child],
        command: Callable[[BundledModel, int], Command],
        on_changed: Callable[[str], None],
    ) -> None:
        self._make = make
        self._command = command
        self._on_changed = on_changed
        self._children: dict[Child, BundledModel] = {}
        self._started = False
        self.states: dict[BundledModel, ModelState] = {}

    @property
    def children(self) -> list[Child]:
        return list(self._children)

    @property
    def settled(self) -> bool:
        """Every model has loaded or failed."""
        return all(state.address or state.failure for state in self.states.values())

    def want(self, models: Iterable[BundledModel]) -> None:
        for model in models:
            if model not in self.states:
                self.states[model] = ModelState()
                child = self._make(self._command(model, 0))
                self._children[child] = model
                if self._started:
                    child.start()

    def start(self) -> None:
        self._started = True
        for child in self._children:
            child.start()

    async def stop(self, grace_s: float) -> None:
        await asyncio.gather(*(child.stop(grace_s) for child in self._children))

    def on_line(self, child: Child, line: str) -> bool:
        """Take a line of the servers' own protocol; returns False for any other line."""
        model = self._children.get(child)
        word, _, rest = line.partition(" ")
        if model is None or word not in {"fetching", "loading", "ready"}:
            return False
        if word == "fetching":
            self._on_changed(f"fetching {rest}")
        elif word == "ready":
            # The next start takes the same port: the URL in the catalogue stays true.
            child.command = self._command(model, urlsplit(rest).port or 0)
            self.states[model] = ModelState(address=rest)
            self._on_changed(f"the model {TITLES[model]} has loaded")
        return True

    def failed(self, child: Child, end: Exit) -> bool:
        """Take the end of a server that cannot serve; returns False for any other end."""
        model = self._children.get(child)
        if model is None or end.code != CANNOT_SERVE:
            return False
        self.states[model] = ModelState(failure=end.last_lines[-1] if end.last_lines else end.cause)
        self._on_changed("")
        return True
