"""The routes of a stack: published as the operator publishes them, and again whenever the broker comes back."""

import time
from collections.abc import Mapping

import msgspec
from harness.processes import until
from nats.js.api import StreamState

from penstock_broker.connection import Connection
from penstock_broker.control_plane import ControlPlane
from penstock_contract import codec, subjects
from penstock_contract.catalogue import CatalogueEntry
from penstock_contract.errors import PenstockError
from penstock_contract.route.spec import ModelRouteSpec
from penstock_contract.stream.frames import WorkerHeartbeat

NAMESPACE = "default"


class StackRoutes:
    """The operator's connection to the broker: it publishes routes and receives the workers' heartbeats.

    `applied` are the entries as last published, by route; `times_applied` counts the connections after which all were.
    """

    def __init__(self, nats_url: str, credentials: str | None) -> None:
        self.connection = Connection(
            nats_url, "control-plane", inbox_prefix=subjects.OPERATOR_INBOX, credentials=credentials
        )
        self.control_plane = ControlPlane(self.connection)
        self.applied: dict[str, CatalogueEntry] = {}
        self.heartbeats: dict[str, WorkerHeartbeat] = {}
        self.times_applied = 0
        self._version = 0
        self.connection.listen(subjects.ALL_WORKER_HEARTBEATS, self._on_heartbeat)
        self.connection.on_connected(self._apply_all)

    async def start(self, first: Mapping[str, ModelRouteSpec]) -> None:
        """Connect, and publish these routes."""
        for route, spec in first.items():
            self.applied[route] = CatalogueEntry(
                namespace=NAMESPACE, name=route, created_at=int(time.time()), spec=spec
            )
        await self.connection.start()

    async def apply(
        self, route: str, spec: ModelRouteSpec, *, ready: bool = True, reason: str = "", cause: str = ""
    ) -> CatalogueEntry:
        """Publish the route. Its last model has a unique name, which a gateway lists once it has this version."""
        self._version += 1
        marker = {"name": f"{route}-v{self._version}", "type": spec.models[0].type}
        models = [*spec.models, msgspec.convert(marker, type(spec.models[0]))]
        entry = CatalogueEntry(
            namespace=NAMESPACE,
            name=route,
            created_at=int(time.time()) if route not in self.applied else self.applied[route].created_at,
            spec=msgspec.structs.replace(spec, models=models),
            ready=ready,
            reason=reason,
            cause=cause,
        )
        self.applied[route] = entry
        await self.control_plane.apply(entry)
        return entry

    async def remove(self, route: str) -> CatalogueEntry:
        entry = self.applied.pop(route)
        await self.control_plane.remove(NAMESPACE, route)
        return entry

    async def queue(self, route: str) -> StreamState:
        return (await self.connection.client.jetstream().stream_info(subjects.queue(NAMESPACE, route))).state

    async def _apply_all(self) -> None:
        async def applied() -> bool:
            try:
                await self.control_plane.prepare()
                for entry in self.applied.values():
                    await self.control_plane.apply(entry)
                await self.control_plane.mark_complete()
            except PenstockError:
                return False  # JetStream is not up yet
            return True

        await until(applied, "the routes are applied")
        self.times_applied += 1

    def _on_heartbeat(self, _subject: str, data: bytes) -> None:
        beat = codec.decode_worker_heartbeat(data)
        self.heartbeats[beat.worker] = beat
