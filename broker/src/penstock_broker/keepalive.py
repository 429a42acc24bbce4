"""Sends the broker a PING each second, and records in a `PauseDetector` when its PONG arrives.

A PONG shows what a process's own heartbeat would: the link works in both directions and the broker handles what it
receives. It needs no subject, so no permission. nats-py's own PINGs are too rare: they find out a stale connection.
"""

import asyncio

from penstock_broker.connection import Connection
from penstock_runtime.pause_detector import PauseDetector
from penstock_runtime.peer_liveness import HEARTBEAT_S


class Keepalive:
    """Make it before the connection starts, and run `run`. Times are event-loop times."""

    def __init__(self, connection: Connection) -> None:
        self.pause_detector = PauseDetector(HEARTBEAT_S)
        self._connection = connection
        connection.on_connected(self._on_connected)

    async def run(self) -> None:
        while True:
            await self._connection.ping(self._answered)
            await asyncio.sleep(HEARTBEAT_S)

    async def _on_connected(self) -> None:
        # The broker has just answered: the connect is a round trip.
        self._answered()

    def _answered(self) -> None:
        self.pause_detector.record_answer(asyncio.get_running_loop().time())
