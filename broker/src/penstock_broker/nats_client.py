"""nats-py's client, whose read loop ends without a reconnect on some inputs (2.16); the loop here does not.

`flush` and `drain` cancel the future of their PING when the PONG is late, or when their caller is cancelled. nats-py
then sets a result on that future as the PONG arrives, and the exception ends the read loop: `is_connected` stays true,
and nothing is received any more.
"""

import asyncio

from nats.aio.client import Client
from nats.errors import UnexpectedEOF


class NatsClient(Client):
    """Overrides two private methods of the pinned version; `tests/integration/test_nats_client.py` shows why."""

    async def _process_pong(self) -> None:
        if self._pongs and self._pongs[0].done():
            # A PONG answers the oldest PING; nothing waits for this one.
            self._pongs[0] = asyncio.get_running_loop().create_future()
        await super()._process_pong()

    async def _read_loop(self) -> None:
        await super()._read_loop()
        # nats-py logs an exception of its parser and leaves the loop; only a new connection starts another one.
        if self.is_connected and self._reading_task is asyncio.current_task():
            await self._process_op_err(UnexpectedEOF())
