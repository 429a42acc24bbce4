"""What the catalogue holds of our routes, what we put there, and what has to be put there again.

The broker may forget everything (memory streams go with the server), so what this process published counts as known
even then: a route's last good version outlives a restart of the broker. It knows neither routes nor the API server.
"""

import asyncio
from typing import Protocol

from penstock_contract.catalogue import CatalogueEntry
from penstock_contract.errors import PenstockError


class CatalogueControl(Protocol):
    """What is needed of `broker.control_plane`; everything raises `PenstockError` when the broker is away."""

    async def prepare(self) -> None: ...

    async def apply(self, entry: CatalogueEntry) -> bool: ...

    async def mark_complete(self) -> None: ...

    async def remove(self, namespace: str, route: str) -> None: ...


class CataloguePublisher:
    def __init__(self, plane: CatalogueControl) -> None:
        self._plane = plane
        self._stored: dict[str, CatalogueEntry] = {}
        self._published: dict[str, CatalogueEntry] = {}
        self._applied: set[str] = set()
        self._invalidated: set[str] = set()
        self._partly_repaired: set[str] = set()
        self._applying: dict[str, CatalogueEntry] = {}
        self._prepared = False
        self._completed = False
        self.loaded = asyncio.Event()
        """The catalogue has been read once: only now it is known what may be missing or superfluous in it."""

    def replace(self, entries: dict[str, CatalogueEntry]) -> None:
        """The whole catalogue, as read after a (re)connect."""
        self._stored = dict(entries)
        for key, entry in self._published.items():
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
        undone = key in self._published and entry not in (self._published[key], self._applying.get(key, self._published[key]))
        if undone:
            self.invalidate(key)
        return undone

    def reconnected(self) -> None:
        """Nothing that was set up on the broker can be relied on."""
        self._applied.clear()
        self._prepared = False
        self._completed = False

    def invalidate(self, key: str) -> None:
        """Its queue or its entry is said to be missing: set both up again at the next `apply`."""
        self._applied.discard(key)
        self._invalidated.add(key)

    def entry(self, key: str) -> CatalogueEntry | None:
        """What was published last, by us or by whoever led before."""
        return self._published.get(key) or self._stored.get(key)

    def names(self) -> set[str]:
        """Keys of everything that the catalogue may hold."""
        return self._stored.keys() | self._published.keys()

    async def ensure_catalogue(self) -> None:
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
        same = self._published.get(entry.key) == entry
        if entry.key in self._applied and same:
            return False
        await self._prepare()
        invalidated = entry.key in self._invalidated
        partly_repaired = entry.key in self._partly_repaired
        self._invalidated.discard(entry.key)
        self._partly_repaired.discard(entry.key)
        self._applied.discard(entry.key)
        self._applying[entry.key] = entry
        try:
            written = await self._plane.apply(entry)
        except PenstockError:
            # The catalogue itself may be what is missing: it could not be made while the old one was being deleted.
            self._prepared = False
            if invalidated:
                # What it wrote before it failed the next attempt finds in order, and has mended it all the same.
                self._invalidated.add(entry.key)
                self._partly_repaired.add(entry.key)
            raise
        finally:
            del self._applying[entry.key]
        self._published[entry.key] = entry
        if entry.key not in self._invalidated:
            self._applied.add(entry.key)
        else:
            # It was said to be missing meanwhile: perhaps after it had been looked at, so whoever said so asks again,
            # and perhaps before, so what was written has mended it.
            invalidated = True
        return invalidated and same and (written or partly_repaired)

    async def remove(self, key: str) -> None:
        """Take an entry and its queue away, if there may be any. Raises `PenstockError`."""
        if key not in self.names():
            return
        await self._prepare()
        namespace, _, route = key.partition(".")
        await self._plane.remove(namespace, route)
        self._published.pop(key, None)
        self._stored.pop(key, None)
        self._applied.discard(key)
        self._invalidated.discard(key)
        self._partly_repaired.discard(key)

    async def _prepare(self) -> None:
        # Before it is made, which takes a while: who has decided without having read it must not write it then.
        read = self.loaded.is_set()
        await self.ensure_catalogue()
        if not read:
            raise PenstockError("broker_unavailable", "the catalogue of routes was not read yet")
