"""Publishes catalogue entries, and publishes them again when the broker lost them.

The broker may lose everything (a memory stream ends with its server), so the entries that this process published are
kept: a route's last good version survives a restart of the broker. Independent of ModelRoutes and the API server.
"""

import asyncio
from typing import Protocol

import structlog

from penstock_contract.catalogue import CatalogueEntry
from penstock_contract.errors import PenstockError

log = structlog.get_logger("penstock.operator")


class CatalogueControl(Protocol):
    """The part of the broker's control plane that is used; every method raises `PenstockError` without the broker."""

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
        self._failures: dict[str, str] = {}
        """The logged reason of each route whose last publication failed."""
        self._prepared = False
        self._completed = False
        self.loaded = asyncio.Event()
        """Set when the catalogue was read once: missing and superfluous entries are unknown before."""

    def replace(self, entries: dict[str, CatalogueEntry]) -> None:
        """Stores the whole catalogue, as read after a (re)connect."""
        self._stored = dict(entries)
        for key, entry in self._published.items():
            if entries.get(key) != entry:
                self._applied.discard(key)
        self.loaded.set()

    def put(self, key: str, entry: CatalogueEntry | None) -> bool:
        """Stores a changed entry of the catalogue; returns whether the change reverts an own publication."""
        if entry is None:
            self._stored.pop(key, None)
        else:
            self._stored[key] = entry
        # The watch may report an entry in progress before `apply` has returned.
        undone = key in self._published and entry not in (
            self._published[key],
            self._applying.get(key, self._published[key]),
        )
        if undone:
            self.invalidate(key)
        return undone

    def reconnected(self) -> None:
        """Call after a reconnect: the broker may have lost everything."""
        self._applied.clear()
        self._prepared = False
        self._completed = False

    def invalidate(self, key: str) -> None:
        """The queue or the entry of a route is reported missing: the next `apply` sets up both again."""
        self._applied.discard(key)
        self._invalidated.add(key)

    def entry(self, key: str) -> CatalogueEntry | None:
        """The entry that was published last, by this process or a previous leader."""
        return self._published.get(key) or self._stored.get(key)

    def names(self) -> set[str]:
        """Keys of all entries that the catalogue may contain."""
        return self._stored.keys() | self._published.keys()

    async def ensure_catalogue(self) -> None:
        """Creates the catalogue, also an empty one: without it no gateway is ready. Raises `PenstockError`."""
        if not self._prepared:
            await self._plane.prepare()
            self._prepared = True

    async def complete(self) -> None:
        """Marks the catalogue as complete, once: each route was reconciled. Raises `PenstockError`."""
        if not self._completed:
            # Set before the call: a reconnect meanwhile resets it.
            self._completed = True
            try:
                await self._plane.mark_complete()
            except PenstockError:
                self._completed = False
                raise

    async def apply(self, entry: CatalogueEntry) -> bool:
        """Sets up the route's queue and publishes the entry, unless both are done.

        Returns whether that repaired a change by another client. Raises `PenstockError`.
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
        except PenstockError as error:
            self._log_failure(entry.key, error)
            # The catalogue itself may be missing: it cannot be created while the old one is being deleted.
            self._prepared = False
            if invalidated:
                # The next attempt finds the writes of this one in order, and counts them as the repair.
                self._invalidated.add(entry.key)
                self._partly_repaired.add(entry.key)
            raise
        finally:
            del self._applying[entry.key]
        self._failures.pop(entry.key, None)
        self._published[entry.key] = entry
        if entry.key not in self._invalidated:
            self._applied.add(entry.key)
        else:
            # Reported missing meanwhile: perhaps after the check, so the reporter requests another pass, and perhaps
            # before, so this write has repaired it.
            invalidated = True
        return invalidated and same and (written or partly_repaired)

    def _log_failure(self, key: str, error: PenstockError) -> None:
        reason = error.detail.message
        if self._failures.get(key) != reason:
            self._failures[key] = reason
            log.warning("operator.publish_failed", route=key, error=reason)

    async def remove(self, key: str) -> None:
        """Removes an entry and its queue, if they may exist. Raises `PenstockError`."""
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
        self._failures.pop(key, None)

    async def _prepare(self) -> None:
        # Checked before the catalogue is created, which takes a while: a decision made without it must not be written.
        read = self.loaded.is_set()
        await self.ensure_catalogue()
        if not read:
            raise PenstockError("broker_unavailable", "the catalogue of routes was not read yet")
