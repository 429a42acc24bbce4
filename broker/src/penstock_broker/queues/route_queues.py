"""Creates and changes the queues of routes, each with its share of the broker's bytes."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable

import structlog
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.client import JetStreamContext
from nats.js.errors import APIError, NotFoundError

from penstock_broker.provisioning import ERRS_NO_ROOM
from penstock_broker.queues.queue_shares import UNBOUNDED, share
from penstock_contract import subjects
from penstock_contract.catalogue import CatalogueEntry

DUPLICATE_WINDOW_S = 120.0
QUEUE_GRACE_S = 3_660.0
"""A request expires in the queue this long after its deadline, if its gateway crashed.

The broker compares times of day for that, so it is more than a clock steps by when a time zone is set wrong.
"""
STREAM_FIELDS = (
    *("subjects", "retention", "discard", "max_msgs", "max_bytes", "max_age", "duplicate_window", "num_replicas"),
)

log = structlog.get_logger("penstock.broker")


class RouteQueues:
    """`bytes_max` is for all queues together, None for no bound. `routes` reads the keys of the catalogue's routes."""

    def __init__(
        self,
        routes: Callable[[], Awaitable[Iterable[str]]],
        *,
        storage: StorageType,
        replicas: int,
        bytes_max: int | None,
    ) -> None:
        self._read_routes = routes
        self._storage = storage
        self._replicas = replicas
        self._bytes_max = bytes_max
        self._routes: set[str] | None = None
        self._changing = asyncio.Lock()

    def invalidate(self) -> None:
        """Read the routes again: the broker may have lost them."""
        self._routes = None

    async def apply(self, context: JetStreamContext, entry: CatalogueEntry) -> bool:
        """Create or change the route's queue; returns whether anything was written."""
        routes = await self._known()
        new = entry.key not in routes
        wanted = self._config(entry, share(self._bytes_max, len(routes | {entry.key})))
        try:
            stored = (await context.stream_info(str(wanted.name))).config
        except NotFoundError:
            async with self._changing:
                await self._shrink_others(context, entry.key, wanted.max_bytes or UNBOUNDED)
                await _with_room(wanted, lambda size: context.add_stream(wanted, max_bytes=size))
                routes.add(entry.key)
            return True
        if new:
            routes.add(entry.key)
        if _same(stored, wanted):
            return False
        # The storage of a queue cannot be changed, and deleting it would lose what waits: it keeps the one it has.
        await _with_room(wanted, lambda size: context.update_stream(wanted, storage=stored.storage, max_bytes=size))
        return True

    async def remove(self, context: JetStreamContext, namespace: str, route: str) -> None:
        """Delete the queue with all waiting requests. The others get a larger share when they are applied again."""
        if self._routes is not None:
            self._routes.discard(subjects.catalogue_key(namespace, route))
        with contextlib.suppress(NotFoundError):
            await context.delete_stream(subjects.queue(namespace, route))

    async def _known(self) -> set[str]:
        if self._bytes_max is None:
            return set()
        if self._routes is None:
            self._routes = set(await self._read_routes())
        return self._routes

    async def _shrink_others(self, context: JetStreamContext, key: str, size: int) -> None:
        """Make room for the share of a new queue. What a queue holds above its share stays in it."""
        for other in sorted((self._routes or set()) - {key}):
            with contextlib.suppress(NotFoundError):
                stored = (await context.stream_info(subjects.queue(*other.split(".", 1)))).config
                if stored.max_bytes != size:
                    await context.update_stream(stored, max_bytes=size)

    def _config(self, entry: CatalogueEntry, bytes_max: int) -> StreamConfig:
        limits = entry.spec.limits
        return StreamConfig(
            name=subjects.queue(entry.namespace, entry.name),
            subjects=[subjects.request_filter(entry.namespace, entry.name)],
            retention=RetentionPolicy.WORK_QUEUE,
            discard=DiscardPolicy.NEW,
            max_msgs=limits.queue_depth,
            max_bytes=bytes_max,
            # A worker may hold a request without a first event until its deadline: `maxInFlight`, retries.
            max_age=max(limits.queue_timeout_seconds, limits.request_timeout_seconds) + QUEUE_GRACE_S,
            duplicate_window=min(DUPLICATE_WINDOW_S, limits.queue_timeout_seconds),
            storage=self._storage,
            num_replicas=self._replicas,
        )


async def _with_room(wanted: StreamConfig, attempt: Callable[[int], Awaitable[object]]) -> None:
    """A queue without a bound is better than a route that is not served: the broker's own limit still applies."""
    bytes_max = wanted.max_bytes or UNBOUNDED
    try:
        await attempt(bytes_max)
    except APIError as error:
        if error.err_code not in ERRS_NO_ROOM or bytes_max == UNBOUNDED:
            raise
        log.warning("broker.queue_not_bounded", queue=wanted.name, bytes_max=bytes_max)
        await attempt(UNBOUNDED)


def _same(stored: StreamConfig, wanted: StreamConfig) -> bool:
    return all(getattr(stored, field) == getattr(wanted, field) for field in STREAM_FIELDS)
