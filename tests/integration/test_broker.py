"""The contract's broker package against a real nats-server, where a race decides."""

import asyncio
from pathlib import Path

from harness.link import Link
from harness.nats_server import NatsServer
from harness.processes import until
from harness.route_spec import provider, spec

from penstock_broker.connection import Connection
from penstock_broker.control_plane import ControlPlane
from penstock_broker.stores.catalogue import CatalogueWatch
from penstock_broker.stores.kv_watch import RETRY_S, SAME_BUCKET_S
from penstock_contract import subjects
from penstock_contract.catalogue import CatalogueEntry


async def test_broker_connection_runs_every_hook_after_a_reconnect_without_a_catalogue(tmp_path: Path) -> None:
    """The watch repeats its request while the broker is absent; the reconnect cancels it while the answer arrives."""
    nats = NatsServer(tmp_path)
    await nats.listening()
    link = await Link.start(nats.port)
    connection = Connection(link.url, "test", inbox_prefix="_INBOX_test")
    runs = 0

    async def count() -> None:
        nonlocal runs
        runs += 1

    def ignore(*_: dict[str, CatalogueEntry] | str | CatalogueEntry | None) -> None:
        pass

    watch = CatalogueWatch(connection, replace=ignore, put=ignore)
    connection.on_connected(count)
    try:
        await connection.start()
        for cycle in range(1, 4):
            assert runs == cycle
            link.cut()
            await asyncio.sleep(RETRY_S + 0.1)  # the watch has sent a request without a receiver
            await link.mend()
            await until(lambda cycle=cycle: runs > cycle, "the last hook runs", timeout_s=3)
    finally:
        await watch.close()
        await connection.close()
        await link.close()
        await nats.process.end()


async def test_catalogue_watch_continues_after_the_bucket_is_recreated(tmp_path: Path) -> None:
    """The new one counts from one: a watch that waits for the old one's next number would miss what comes first."""
    nats = NatsServer(tmp_path)
    await nats.listening()
    connection = Connection(nats.url, "test", inbox_prefix="_INBOX_test")
    control_plane = ControlPlane(connection)
    served = spec([provider("p", "https://models.example/v1")])
    received: set[str] = set()

    def replace(entries: dict[str, CatalogueEntry]) -> None:
        received.clear()
        received.update(entries)

    def put(key: str, _entry: CatalogueEntry | None) -> None:
        received.add(key)

    async def publish(*names: str) -> None:
        for name in names:
            await control_plane.apply(CatalogueEntry(namespace="ns", name=name, created_at=1, spec=served))

    watch = CatalogueWatch(connection, replace=replace, put=put)
    try:
        await connection.start()
        await control_plane.prepare()
        await publish("one", "two", "three")
        await until(lambda: received == {"ns.one", "ns.two", "ns.three"}, "the entries are there")
        await connection.client.jetstream().delete_key_value(subjects.CATALOGUE_BUCKET)
        await control_plane.prepare()
        await publish("four")
        await until(lambda: received == {"ns.four"}, "the new one is read")
        await publish("five")
        await until(lambda: received == {"ns.four", "ns.five"}, "and watched")
    finally:
        await watch.close()
        await connection.close()
        await nats.process.end()


async def test_catalogue_watch_reports_a_deleted_bucket(tmp_path: Path) -> None:
    """Without JetStream's advisory, which can be lost: the watch checks the bucket itself."""
    nats = NatsServer(tmp_path)
    await nats.listening()
    connection = Connection(nats.url, "test", inbox_prefix="_INBOX_test")
    read, gone = asyncio.Event(), asyncio.Event()
    watch = CatalogueWatch(connection, replace=lambda _: read.set(), put=lambda _key, _entry: None, deleted=gone.set)
    try:
        await connection.start()
        await ControlPlane(connection).prepare()
        await asyncio.wait_for(read.wait(), 5)
        assert not gone.is_set()
        await connection.client.jetstream().delete_key_value(subjects.CATALOGUE_BUCKET)
        await asyncio.wait_for(gone.wait(), SAME_BUCKET_S + 3)
    finally:
        await watch.close()
        await connection.close()
        await nats.process.end()
