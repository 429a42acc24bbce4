"""Creates and changes the queues of routes, each with its share of the broker's bytes."""

import asyncio
import contextlib
import functools
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
        name = subjects.queue(entry.namespace, entry.name)
        stored = await _stored(context, name)
        if stored is not None and _same(stored, self._config(entry, len(routes | {entry.key}))):
            routes.add(entry.key)
            return False
        # One route after the other: shares that are computed at the same moment are together more than there is.
        async with self._changing:
            routes = await self._known()
            wanted = self._config(entry, len(routes | {entry.key}))
            size = wanted.max_bytes or UNBOUNDED
            # Again: another route may have taken a part of it meanwhile.
            stored = await _stored(context, name)
            if stored is None:
                await self._shrink_others(context, entry.key, size)
                await _with_room(name, size, UNBOUNDED, lambda given: context.add_stream(wanted, max_bytes=given))
            else:
                # The storage of a queue cannot be changed, and deleting it would lose what waits: it keeps its own.
                storage, kept = stored.storage, stored.max_bytes or UNBOUNDED
                await _with_room(
                    name, size, kept, lambda given: context.update_stream(wanted, storage=storage, max_bytes=given)
                )
            routes.add(entry.key)
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
            read = set(await self._read_routes())
            if self._routes is None:  # another caller may have read them meanwhile, and added a route
                self._routes = read
        return self._routes

    async def _shrink_others(self, context: JetStreamContext, key: str, size: int) -> None:
        """Make room for the share of a new queue. What a queue holds above its share stays in it.

        Queues without a bound get theirs last, when the larger ones have become smaller.
        """
        others = sorted((self._routes or set()) - {key})
        stored = [await _stored(context, subjects.queue(*other.split(".", 1))) for other in others]
        changed = [one for one in stored if one is not None and one.max_bytes != size]
        for one in sorted(changed, key=lambda one: one.max_bytes or UNBOUNDED, reverse=True):
            update = functools.partial(_update, context, one)
            await _with_room(one.name, size, one.max_bytes or UNBOUNDED, update)

    def _config(self, entry: CatalogueEntry, routes: int) -> StreamConfig:
        """The queue of `entry` as one of so many routes."""
        limits = entry.spec.limits
        return StreamConfig(
            name=subjects.queue(entry.namespace, entry.name),
            subjects=[subjects.request_filter(entry.namespace, entry.name)],
            retention=RetentionPolicy.WORK_QUEUE,
            discard=DiscardPolicy.NEW,
            max_msgs=limits.queue_depth,
            max_bytes=share(self._bytes_max, routes),
            # A worker may hold a request without a first event until its deadline: `maxInFlight`, retries.
            max_age=max(limits.queue_timeout_seconds, limits.request_timeout_seconds) + QUEUE_GRACE_S,
            duplicate_window=min(DUPLICATE_WINDOW_S, limits.queue_timeout_seconds),
            storage=self._storage,
            num_replicas=self._replicas,
        )


async def _update(context: JetStreamContext, stored: StreamConfig, bytes_max: int) -> None:
    await context.update_stream(stored, max_bytes=bytes_max)


async def _stored(context: JetStreamContext, name: str) -> StreamConfig | None:
    try:
        return (await context.stream_info(name)).config
    except NotFoundError:
        return None


async def _with_room(
    queue: str | None, wanted: int, otherwise: int, attempt: Callable[[int], Awaitable[object]]
) -> None:
    """Call `attempt` with the bound `wanted`, or with `otherwise` if the broker has no room for that.

    A queue with a wrong bound, or none, is better than a route that is not served: the broker's own limit applies.
    """
    try:
        await attempt(wanted)
    except APIError as error:
        if error.err_code not in ERRS_NO_ROOM or wanted == otherwise:
            raise
        log.warning("broker.queue_not_bounded", queue=queue, bytes_max=wanted, instead=otherwise)
        await attempt(otherwise)


def _same(stored: StreamConfig, wanted: StreamConfig) -> bool:
    return all(getattr(stored, field) == getattr(wanted, field) for field in STREAM_FIELDS)
