"""Creates the first API key of an installation; the installer chooses its secret and passes it by the environment."""

import asyncio

import structlog

from penstock_broker.connection import Connection
from penstock_broker.stores.api_keys import KeyStore
from penstock_contract.errors import PenstockError
from penstock_contract.limits.api_keys import KeySpec
from penstock_runtime.cancellation import cancel_and_wait

NAME = "first"
RETRY_S = 0.5

log = structlog.get_logger("penstock.gateway")


class FirstKey:
    """Stores the key after each connect, unless the store ever had it: a revoked key stays revoked."""

    def __init__(self, secret: str, connection: Connection, store: KeyStore) -> None:
        self._secret = secret
        self._store = store
        self._task: asyncio.Task[None] | None = None
        connection.on_connected(self._restart)

    async def close(self) -> None:
        if self._task is not None:
            await cancel_and_wait(self._task)

    async def _restart(self) -> None:
        await self.close()
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            try:
                await self._store.adopt(self._secret, KeySpec(name=NAME))
            except PenstockError:
                # The control plane creates the bucket.
                await asyncio.sleep(RETRY_S)
            else:
                return
