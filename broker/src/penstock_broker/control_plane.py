"""Streams, buckets and catalogue entries that the control plane (operator, `penstock dev`) creates on the broker.

Idempotent: applied again after every reconnect, as a memory queue does not survive a restart of the server. An
unchanged object is read and not written: an entry that is put again wakes every gateway and worker.
"""

import contextlib
from typing import Literal

import structlog
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    KeyValueConfig,
    StorageType,
)
from nats.js.client import JetStreamContext
from nats.js.errors import APIError, BadRequestError, KeyNotFoundError, NotFoundError

from penstock_broker import jetstream
from penstock_broker.connection import Connection
from penstock_broker.errors import translated
from penstock_broker.queues.route_queues import RouteQueues
from penstock_broker.stores import api_keys, kv_snapshot, limits, streams, usage_storage
from penstock_broker.stores.usage_storage import UsageBounds
from penstock_contract import codec, subjects
from penstock_contract.catalogue import CatalogueEntry

ACK_WAIT_S = 4.0
"""The redelivery time of a worker that crashes before its first event; a worker sends +WPI four times as often."""
PULLS_WAITING_MAX = 4096
ERR_CONSUMER_REFUSED = 10012
"""JetStream's `err_code` for a change of a consumer that it does not allow."""
ANSWER_S = 2.0

DEFAULT_USAGE = UsageBounds()

CONSUMER_FIELDS = ("ack_policy", "deliver_policy", "ack_wait", "max_deliver", "max_ack_pending", "max_waiting")

log = structlog.get_logger("penstock.broker")


class ControlPlane:
    """`storage` and `replicas` are JetStream's; memory and 1 suit one server, file and 3 a cluster of three.

    `queues_bytes_max` is for the queues of all routes together (`queue_shares`), None for no bound.

    Every method raises `broker_unavailable` when the broker is unreachable or refuses.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        storage: Literal["memory", "file"] = "memory",
        replicas: int = 1,
        usage: UsageBounds = DEFAULT_USAGE,
        keys_bytes_max: int = api_keys.STORE_BYTES_MAX,
        limits_bytes_max: int = limits.STORE_BYTES_MAX,
        streams_bytes_max: int = streams.STORE_BYTES_MAX,
        queues_bytes_max: int | None = None,
    ) -> None:
        self._connection = connection
        self._storage = StorageType(storage)
        self._replicas = replicas
        self._usage = usage
        self._keys_bytes_max = keys_bytes_max
        self._limits_bytes_max = limits_bytes_max
        self._streams_bytes_max = streams_bytes_max
        self._queues = RouteQueues(
            self.route_keys, storage=self._storage, replicas=replicas, bytes_max=queues_bytes_max
        )

    async def prepare(self) -> None:
        """Create the buckets and streams that belong to no route, if they are not there."""
        config = KeyValueConfig(
            bucket=subjects.CATALOGUE_BUCKET, history=1, storage=self._storage, replicas=self._replicas
        )
        self._queues.invalidate()
        with translated():
            context = self._jetstream()
            with contextlib.suppress(BadRequestError):  # exists with another history or storage: its own
                await context.create_key_value(config)
            await api_keys.prepare(context, replicas=self._replicas, bytes_max=self._keys_bytes_max)
            await limits.prepare(context, replicas=self._replicas, bytes_max=self._limits_bytes_max)
            await streams.prepare(
                context, storage=self._storage, replicas=self._replicas, bytes_max=self._streams_bytes_max
            )
            await usage_storage.prepare(context, self._usage, replicas=self._replicas)

    async def apply(self, entry: CatalogueEntry) -> bool:
        """Apply the route's limits to its queue, then publish the entry. Returns whether anything was written."""
        with translated():
            queue_changed = await self._queues.apply(self._jetstream(), entry)
            consumer_changed = await self._apply_consumer(subjects.queue(entry.namespace, entry.name))
            return await self._publish(entry) or queue_changed or consumer_changed

    async def mark_complete(self) -> None:
        """Mark the catalogue as complete: every route that is to be served is in it. Call it after the last `apply`."""
        with translated():
            bucket = await self._jetstream().key_value(subjects.CATALOGUE_BUCKET)
            try:
                await bucket.get(subjects.CATALOGUE_COMPLETE)
            except KeyNotFoundError:
                await bucket.put(subjects.CATALOGUE_COMPLETE, b"")

    async def remove(self, namespace: str, route: str) -> None:
        """Delete the route's catalogue entry, then its queue with all waiting requests."""
        with translated():
            context = self._jetstream()
            bucket = await context.key_value(subjects.CATALOGUE_BUCKET)
            await bucket.delete(subjects.catalogue_key(namespace, route))
            await self._queues.remove(context, namespace, route)

    async def route_keys(self) -> set[str]:
        """The routes in the catalogue, as `namespace.name`."""
        with translated():
            bucket = await self._jetstream().key_value(subjects.CATALOGUE_BUCKET)
            return {entry.key for entry in await kv_snapshot.read(bucket, ANSWER_S)} - {subjects.CATALOGUE_COMPLETE}

    async def _apply_consumer(self, queue: str) -> bool:
        wanted = ConsumerConfig(
            durable_name=subjects.CONSUMER,
            ack_policy=AckPolicy.EXPLICIT,
            deliver_policy=DeliverPolicy.ALL,
            ack_wait=ACK_WAIT_S,
            max_deliver=-1,
            max_ack_pending=-1,
            max_waiting=PULLS_WAITING_MAX,
        )
        context = self._jetstream()
        try:
            stored = (await context.consumer_info(queue, subjects.CONSUMER)).config
        except NotFoundError:
            await context.add_consumer(queue, wanted)
            return True
        if stored is not None and _same(stored, wanted, CONSUMER_FIELDS):
            return False
        try:
            await context.add_consumer(queue, wanted)
        except APIError as error:
            if error.err_code != ERR_CONSUMER_REFUSED:
                raise
            # Made by an earlier version, with a field that cannot be changed. Queued requests stay in the queue;
            # requests that a worker holds before their first event are delivered once more.
            log.warning("broker.consumer_replaced", queue=queue, detail=str(error)[:200])
            await context.delete_consumer(queue, subjects.CONSUMER)
            await context.add_consumer(queue, wanted)
        return True

    async def _publish(self, entry: CatalogueEntry) -> bool:
        bucket = await self._jetstream().key_value(subjects.CATALOGUE_BUCKET)
        value = codec.encode_json(entry)
        with contextlib.suppress(KeyNotFoundError):
            if (await bucket.get(entry.key)).value == value:
                return False
        await bucket.put(entry.key, value)
        return True

    def _jetstream(self) -> JetStreamContext:
        return jetstream.context(self._connection, timeout_s=ANSWER_S)


def _same(stored: object, wanted: object, fields: tuple[str, ...]) -> bool:
    return all(getattr(stored, field) == getattr(wanted, field) for field in fields)
