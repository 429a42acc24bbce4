"""What the catalogue holds of our routes, what we put there, and what has to be put there again.

The broker may forget everything (memory streams go with the server), so what this process published counts as known
even then: a route's last good version outlives a restart of the broker. It knows neither routes nor the API server.
"""

import asyncio
from typing import Protocol

from penstock_contract.catalogue import CatalogueEntry
from penstock_contract.errors import PenstockError


class Plane(Protocol):
    """What is needed of `broker.control_plane`; everything raises `PenstockError` when the broker is away."""

    async def prepare(self) -> None: ...

    async def apply(self, entry: CatalogueEntry) -> bool: ...

    async def mark_complete(self) -> None: ...

    async def remove(self, namespace: str, route: str) -> None: ...


class Publications:
    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self._stored: dict[str, CatalogueEntry] = {}
        self._ours: dict[str, CatalogueEntry] = {}
        self._applied: set[str] = set()
        self._doubted: set[str] = set()
        self._half_mended: set[str] = set()
        self._applying: dict[str, CatalogueEntry] = {}
        self._prepared = False
        self._completed = False
        self.loaded = asyncio.Event()
        """The catalogue has been read once: only now it is known what may be missing or superfluous in it."""

    def replace(self, entries: dict[str, CatalogueEntry]) -> None:
        """The whole catalogue, as read after a (re)connect."""
        self._stored = dict(entries)
        for key, entry in self._ours.items():
            if entries.get(key) != entry:
                self._applied.discard(key)
        self.loaded.set()

    def put(self, key: str, entry: CatalogueEntry | None) -> bool:
        """One entry changed in the catalogue; whether that undoes what we published."""
        if entry is None:
            self._stored.pop(key, None)
        else:
            self._stored[key] = entry
        # What is being applied right now is heard of before it is known to be ours.
        undone = key in self._ours and entry not in (self._ours[key], self._applying.get(key, self._ours[key]))
        if undone:
            self.doubt(key)
        return undone

    def reconnected(self) -> None:
        """Nothing that was set up on the broker can be relied on."""
        self._applied.clear()
        self._prepared = False
        self._completed = False

    def doubt(self, key: str) -> None:
        """Its queue or its entry is said to be missing: set both up again at the next `apply`."""
        self._applied.discard(key)
        self._doubted.add(key)

    def entry(self, key: str) -> CatalogueEntry | None:
        """What was published last, by us or by whoever led before."""
        return self._ours.get(key) or self._stored.get(key)

    def names(self) -> set[str]:
        """Keys of everything that the catalogue may hold."""
        return self._stored.keys() | self._ours.keys()

    async def provide(self) -> None:
        """See that there is a catalogue, of nothing too: without one no gateway is ready. Raises `PenstockError`."""
        if not self._prepared:
            await self._plane.prepare()
            self._prepared = True

    async def complete(self) -> None:
        """Mark the catalogue as complete, once: each route was reconciled. Raises `PenstockError`."""
        if not self._completed:
            # Before it is done: a reconnect meanwhile takes it back.
            self._completed = True
            try:
                await self._plane.mark_complete()
            except PenstockError:
                self._completed = False
                raise

    async def apply(self, entry: CatalogueEntry) -> bool:
        """Set up the route's queue and publish the entry, unless that is done; whether that mended what others did.

        Raises `PenstockError`.
        """
        same = self._ours.get(entry.key) == entry
        if entry.key in self._applied and same:
            return False
        await self._prepare()
        doubted = entry.key in self._doubted
        half_mended = entry.key in self._half_mended
        self._doubted.discard(entry.key)
        self._half_mended.discard(entry.key)
        self._applied.discard(entry.key)
        self._applying[entry.key] = entry
        try:
            written = await self._plane.apply(entry)
        except PenstockError:
            # The catalogue itself may be what is missing: it could not be made while the old one was being deleted.
            self._prepared = False
            if doubted:
                # What it wrote before it failed the next attempt finds in order, and has mended it all the same.
                self._doubted.add(entry.key)
                self._half_mended.add(entry.key)
            raise
        finally:
            del self._applying[entry.key]
        self._ours[entry.key] = entry
        if entry.key not in self._doubted:
            self._applied.add(entry.key)
        else:
            # It was said to be missing meanwhile: perhaps after it had been looked at, so whoever said so asks again,
            # and perhaps before, so what was written has mended it.
            doubted = True
        return doubted and same and (written or half_mended)

    async def remove(self, key: str) -> None:
        """Take an entry and its queue away, if there may be any. Raises `PenstockError`."""
        if key not in self.names():
            return
        await self._prepare()
        namespace, _, route = key.partition(".")
        await self._plane.remove(namespace, route)
        self._ours.pop(key, None)
        self._stored.pop(key, None)
        self._applied.discard(key)
        self._doubted.discard(key)
        self._half_mended.discard(key)

    async def _prepare(self) -> None:
        # Before it is made, which takes a while: who has decided without having read it must not write it then.
        read = self.loaded.is_set()
        await self.provide()
        if not read:
            raise PenstockError("broker_unavailable", "the catalogue of routes was not read yet")
