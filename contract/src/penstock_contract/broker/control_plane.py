"""What the control plane (operator, `penstock dev`) sets up on the broker: one queue and one entry per route.

Idempotent: applied again after every reconnect, as a memory queue does not survive a restart of the server.
"""

import contextlib
from typing import Literal

import structlog
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    KeyValueConfig,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.client import JetStreamContext
from nats.js.errors import BadRequestError, NotFoundError

from penstock_contract import codec, subjects
from penstock_contract.broker.connection import Connection
from penstock_contract.catalogue import CatalogueEntry

ACK_WAIT_S = 4.0
"""A worker that dies before its first event is replaced after this long; it says +WPI four times as often."""
DUPLICATE_WINDOW_S = 120.0
QUEUE_GRACE_S = 60.0
PULLS_WAITING_MAX = 4096

log = structlog.get_logger("penstock.broker")


class ControlPlane:
    """`storage` and `replicas` are JetStream's; memory and 1 suit one server, file and 3 a cluster of three."""

    def __init__(
        self, connection: Connection, *, storage: Literal["memory", "file"] = "memory", replicas: int = 1
    ) -> None:
        self._connection = connection
        self._storage = StorageType(storage)
        self._replicas = replicas

    async def prepare(self) -> None:
        """Create the catalogue's bucket if it is not there."""
        config = KeyValueConfig(
            bucket=subjects.CATALOGUE_BUCKET, history=1, storage=self._storage, replicas=self._replicas
        )
        with contextlib.suppress(BadRequestError):  # exists with another history or storage: theirs to keep
            await self._jetstream().create_key_value(config)

    async def apply(self, entry: CatalogueEntry) -> None:
        """Make the route's queue what its limits say, then publish the entry."""
        limits = entry.spec.limits
        stream = StreamConfig(
            name=subjects.queue(entry.namespace, entry.name),
            subjects=[subjects.request_filter(entry.namespace, entry.name)],
            retention=RetentionPolicy.WORK_QUEUE,
            discard=DiscardPolicy.NEW,
            max_msgs=limits.queue_depth,
            max_age=limits.queue_timeout_seconds + limits.first_token_timeout_seconds + QUEUE_GRACE_S,
            duplicate_window=min(DUPLICATE_WINDOW_S, limits.queue_timeout_seconds),
            storage=self._storage,
            num_replicas=self._replicas,
        )
        jetstream = self._jetstream()
        try:
            await jetstream.add_stream(stream)
        except BadRequestError:
            await jetstream.update_stream(stream)
        consumer = ConsumerConfig(
            durable_name=subjects.CONSUMER,
            ack_policy=AckPolicy.EXPLICIT,
            deliver_policy=DeliverPolicy.ALL,
            ack_wait=ACK_WAIT_S,
            max_deliver=-1,
            max_ack_pending=-1,
            max_waiting=PULLS_WAITING_MAX,
        )
        await jetstream.add_consumer(str(stream.name), consumer)
        bucket = await jetstream.key_value(subjects.CATALOGUE_BUCKET)
        await bucket.put(entry.key, codec.encode_json(entry))

    async def remove(self, namespace: str, route: str) -> None:
        jetstream = self._jetstream()
        bucket = await jetstream.key_value(subjects.CATALOGUE_BUCKET)
        await bucket.delete(subjects.catalogue_key(namespace, route))
        with contextlib.suppress(NotFoundError):
            await jetstream.delete_stream(subjects.queue(namespace, route))

    def _jetstream(self) -> JetStreamContext:
        return self._connection.client.jetstream()
