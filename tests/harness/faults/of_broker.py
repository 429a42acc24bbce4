"""Faults of the broker, and of the operator's objects on it."""

import contextlib
from collections.abc import AsyncIterator

from harness.faults.scene import Fault, Scene
from harness.kubernetes.model_routes import catalogue_of
from harness.processes import until
from nats.errors import Error
from nats.js.client import JetStreamContext

from penstock_broker.connection import Connection
from penstock_contract import subjects


async def broker_away(scene: Scene) -> None:
    await scene.serve()
    scene.site.nats.kill()
    await scene.inject()
    await scene.reports("ScalingActive", "False BrokerUnavailable", "the number of workers is held")
    scene.site.nats.start()
    await scene.cure("it is back, with nothing in it", scene.site.nats.listening())
    await scene.recovers()
    await scene.restored(_published(scene))


async def broker_silent(scene: Scene) -> None:
    await scene.serve()
    scene.site.broker_link.silence()
    await scene.inject()
    await scene.reports("ScalingActive", "False BrokerUnavailable", "the message broker does not answer")
    await scene.site.broker_link.mend()
    await scene.cure("it is heard again")
    await scene.recovers()


async def catalogue_deleted(scene: Scene) -> None:
    await scene.serve()
    key = subjects.catalogue_key(scene.namespace, scene.name)
    async with _jetstream(scene) as jetstream, catalogue_of(scene.site.nats.url) as entries:
        await until(lambda: key in entries, "the catalogue has the route")
        await scene.inject(jetstream.delete_key_value(subjects.CATALOGUE_BUCKET))
        await scene.emits_event("Repaired", "restored the route's queue or its entry")
        await scene.change(limits={"queueDepth": 7})
        changed = until(
            lambda: key in entries and entries[key].spec.limits.queue_depth == 7, "the catalogue has the change"
        )
        await scene.restored(changed)


async def queue_deleted(scene: Scene) -> None:
    await scene.serve()
    queue = subjects.queue(scene.namespace, scene.name)
    async with _jetstream(scene) as jetstream:
        await scene.inject(jetstream.delete_stream(queue))
        await scene.emits_event("Repaired", "restored the route's queue or its entry")
        await scene.restored(until(lambda: _has_workers(jetstream, queue), "the queue is back"))


async def consumer_deleted(scene: Scene) -> None:
    await scene.serve()
    queue = subjects.queue(scene.namespace, scene.name)
    async with _jetstream(scene) as jetstream:
        await scene.inject(jetstream.delete_consumer(queue, subjects.CONSUMER))
        await scene.emits_event("Repaired", "restored the route's queue or its entry")
        await scene.restored(until(lambda: _has_workers(jetstream, queue), "its consumer is back"))


async def entry_deleted(scene: Scene) -> None:
    await scene.serve()
    async with _jetstream(scene) as jetstream:
        bucket = await jetstream.key_value(subjects.CATALOGUE_BUCKET)
        await scene.inject(bucket.delete(subjects.catalogue_key(scene.namespace, scene.name)))
        await scene.emits_event("Repaired", "restored the route's queue or its entry")
        await scene.restored(_published(scene))


async def entry_overwritten(scene: Scene) -> None:
    await scene.serve()
    async with _jetstream(scene) as jetstream:
        bucket = await jetstream.key_value(subjects.CATALOGUE_BUCKET)
        await scene.inject(bucket.put(subjects.catalogue_key(scene.namespace, scene.name), b"not an entry"))
        await scene.emits_event("Repaired", "restored the route's queue or its entry")
        await scene.restored(_published(scene))


@contextlib.asynccontextmanager
async def _jetstream(scene: Scene) -> AsyncIterator[JetStreamContext]:
    """A connection to the broker as another user with all permissions."""
    connection = Connection(scene.site.nats.url, "somebody", inbox_prefix="_INBOX_somebody")
    await connection.start()
    try:
        yield connection.client.jetstream()
    finally:
        await connection.close()


async def _has_workers(jetstream: JetStreamContext, queue: str) -> bool:
    """True if the queue exists and a worker pulls from it."""
    try:
        info = await jetstream.consumer_info(queue, subjects.CONSUMER)
    except Error:
        return False
    return bool(info.num_waiting)


async def _published(scene: Scene) -> None:
    """Wait until the catalogue has the route."""
    async with catalogue_of(scene.site.nats.url) as entries:
        key = subjects.catalogue_key(scene.namespace, scene.name)
        await until(lambda: key in entries, "the catalogue has the entry")


FAULTS = (
    Fault("the route's queue is deleted", queue_deleted),
    Fault("the queue's consumer is deleted", consumer_deleted),
    Fault("the catalogue's entry is deleted", entry_deleted),
    Fault("the catalogue's entry is overwritten", entry_overwritten),
)
OF_ALL = (
    Fault("the broker is away", broker_away),
    Fault("the way to the broker is silent", broker_silent),
    Fault("the catalogue is deleted", catalogue_deleted),
)
"""These concern every route at the broker."""
