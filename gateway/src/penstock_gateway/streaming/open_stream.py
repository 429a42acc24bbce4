"""A stream whose answer has begun (or whose commit deadline has passed), and its client's connection."""

import asyncio
import contextlib

from litestar.types import Receive

from penstock_broker.queue import QueuedMessage
from penstock_contract.catalogue import Resolution
from penstock_gateway.server.client_connection import ClientConnection
from penstock_gateway.streaming.renderers.renderer import PING
from penstock_gateway.streaming.stream import Stream


class OpenStream:
    """The result of queueing a request. Pass it to `Dispatcher.close`.

    `collected` if the client gets one whole answer instead of a stream.
    """

    def __init__(
        self,
        stream: Stream,
        resolution: Resolution | None,
        message: QueuedMessage | None,
        receive: Receive,
        *,
        collected: bool,
    ) -> None:
        self.stream = stream
        self.resolution = resolution
        self.message = message
        self.collected = collected
        self.disconnect = asyncio.create_task(wait_for_disconnect(receive))
        self.disconnect.add_done_callback(self._on_disconnect)

    @property
    def cut_off(self) -> bool:
        """True if the client must not take its bytes for the whole answer."""
        error = self.stream.error
        return error is not None and (error.code == "slow_client" or self.stream.is_cut)

    def write_to(self, connection: ClientConnection, bytes_max: int) -> None:
        """Write the answer to `connection`, of which `bytes_max` may wait for the client."""
        connection.limit(bytes_max, PING)
        self.stream.attach(connection)

    async def finished(self) -> None:
        """Wait for the stream's end, or for the client's disconnect."""
        await self.stream.done

    def _on_disconnect(self, _task: asyncio.Task[None]) -> None:
        self.stream.leave()


async def wait_for_disconnect(receive: Receive) -> None:
    with contextlib.suppress(OSError):
        while (await receive())["type"] != "http.disconnect":
            pass
