"""The contract's broker package against a real nats-server, where a race decides."""

import asyncio
from pathlib import Path

from harness.link import Link
from harness.processes import until
from harness.stack import NatsServer

from penstock_contract.broker.catalogue import RETRY_S, CatalogueWatch
from penstock_contract.broker.connection import Connection
from penstock_contract.catalogue import CatalogueEntry


async def test_every_hook_runs_after_a_reconnect_while_the_catalogue_is_missing(tmp_path: Path) -> None:
    """The watch asks again while the broker is away; the answer meets the cancellation that the reconnect brings."""
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
            await asyncio.sleep(RETRY_S + 0.1)  # the watch has asked into the void
            await link.mend()
            await until(lambda cycle=cycle: runs > cycle, "the last hook runs", timeout_s=3)
    finally:
        await watch.close()
        await connection.close()
        await link.close()
        await nats.process.end()
