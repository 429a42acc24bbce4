"""nats-py's client with messages delivered by `SocketTransport`, and with faults of its read loop mended (2.16).

nats-py keeps what is rare: handshake, credentials, TLS, reconnecting, PINGs, JetStream's management. Subscriptions,
publishes and requests of this project's own go past its tasks and queues (decision 0017 has the numbers). No released
version offers that: 2.16 is the newest, and `nats-core` on PyPI is an empty name.
"""

import asyncio
from typing import Any

from nats.aio.client import Client, Srv
from nats.aio.subscription import Subscription
from nats.errors import (
    ConnectionClosedError,
    MaxPayloadError,
    NoRespondersError,
    OutboundBufferLimitError,
    UnexpectedEOF,
)
from nats.errors import TimeoutError as NatsTimeoutError

from penstock_broker.client.socket_transport import Receive, SocketTransport, publish_command

UNSENT_BYTES_MAX = 8 * 1024 * 1024
UNSENT_WAIT_S = 10.0
NO_RESPONDERS = b"NATS/1.0 503"


class NatsClient(Client):
    """Overrides private methods of the pinned version; `tests/integration/test_nats_client.py` shows why."""

    def __init__(self) -> None:
        super().__init__()
        self._receivers: dict[bytes, Receive] = {}
        self._replies: dict[str, asyncio.Future[tuple[bytes, bytes]]] = {}
        self._requests = 0
        self._reply_prefix = ""

    @property
    def descriptor(self) -> int:
        """Of the socket; -1 while there is none."""
        return self._transport.descriptor if isinstance(self._transport, SocketTransport) else -1

    def write_held(self) -> None:
        """Write now what waits for the next iteration of the event loop."""
        if isinstance(self._transport, SocketTransport):
            self._transport.write_held()

    async def receive(self, subject: str, receive: Receive) -> Subscription:
        """Subscribe; `receive` is called for each message, in order, in the call that reads it from the socket."""
        subscription = await self.subscribe(subject, cb=_never)
        self._receivers[b"%d" % subscription._id] = receive  # noqa: SLF001
        return subscription

    async def stop_receiving(self, subscription: Subscription) -> None:
        """Unsubscribe, after the messages that are under way were delivered. Raises errors of nats-py."""
        try:
            if self.is_connected:
                await subscription.drain()  # type: ignore[no-untyped-call]
            else:
                await subscription.unsubscribe()
        finally:
            self._receivers.pop(b"%d" % subscription._id, None)  # noqa: SLF001

    async def publish_directly(
        self, subject: str, data: bytes, reply: str = "", headers: dict[str, str] | None = None
    ) -> None:
        """Publish. Waits while `UNSENT_BYTES_MAX` are unsent. Raises errors of nats-py; then nothing was sent."""
        transport = self._connected_transport(data)
        if transport.unsent_bytes > UNSENT_BYTES_MAX:
            try:
                async with asyncio.timeout(UNSENT_WAIT_S):
                    await transport.drain()
            except TimeoutError:
                raise OutboundBufferLimitError from None
        self._write(transport, publish_command(subject, data, reply, headers))

    def reply(self, subject: str, data: bytes) -> None:
        """Publish a small reply, at once and without a wait. Raises errors of nats-py; then nothing was sent."""
        transport = self._connected_transport(data)
        if transport.unsent_bytes > UNSENT_BYTES_MAX:
            raise OutboundBufferLimitError
        self._write(transport, publish_command(subject, data, "", None))

    def _write(self, transport: SocketTransport, command: bytes) -> None:
        self.stats["out_msgs"] += 1
        self.stats["out_bytes"] += len(command)
        transport.write(command)

    def _connected_transport(self, data: bytes) -> SocketTransport:
        if not self.is_connected or not isinstance(self._transport, SocketTransport):
            raise ConnectionClosedError
        if len(data) > self._max_payload:
            raise MaxPayloadError
        return self._transport

    async def request_directly(
        self, subject: str, data: bytes, *, timeout_s: float, headers: dict[str, str] | None = None
    ) -> tuple[bytes, bytes]:
        """Header block and payload of the one reply. Raises `NoRespondersError`, `TimeoutError` (both nats-py's)."""
        if not self._reply_prefix:
            await self._receive_replies()
        loop = asyncio.get_running_loop()
        self._requests += 1
        token = str(self._requests)
        reply: asyncio.Future[tuple[bytes, bytes]] = loop.create_future()
        self._replies[token] = reply
        timer = loop.call_later(timeout_s, _expire, reply)
        try:
            await self.publish_directly(subject, data, self._reply_prefix + token, headers)
            return await reply
        finally:
            timer.cancel()
            del self._replies[token]

    async def _receive_replies(self) -> None:
        prefix = f"{self.new_inbox()}."
        self._reply_prefix = prefix
        start = len(prefix)

        def receive(subject: str, _reply: str, headers: bytes, data: bytes) -> None:
            reply = self._replies.get(subject[start:])
            if reply is None or reply.done():
                return
            if headers.startswith(NO_RESPONDERS) and not data:
                reply.set_exception(NoRespondersError())
            else:
                reply.set_result((headers, data))

        await self.receive(f"{prefix}*", receive)

    # nats-py's private methods.

    async def _connect_to_server(self, s: Srv) -> None:
        if s.uri.scheme in ("nats", "tls"):
            self._transport = SocketTransport(self._receivers)
        await super()._connect_to_server(s)

    async def _send_command(self, cmd: bytes, priority: bool = False) -> None:
        # In the order of the calls, also between nats-py's own commands and what is published directly.
        if self.is_connected and isinstance(self._transport, SocketTransport) and not self._pending:
            self._transport.write(cmd)
        else:
            await super()._send_command(cmd, priority)

    async def _flush_pending(self, force_flush: bool = False) -> Any:
        if not self.is_connected or not isinstance(self._transport, SocketTransport):
            return await super()._flush_pending(force_flush)
        pending, self._pending, self._pending_data_size = self._pending, [], 0
        if pending:
            self._transport.writelines(pending)
        return None

    async def _process_pong(self) -> None:
        # `flush` and `drain` cancel the future of their PING when the PONG is late, or when their caller is cancelled.
        # nats-py then sets a result on that future as the PONG arrives, and the exception ends the read loop.
        if self._pongs and self._pongs[0].done():
            # A PONG answers the oldest PING; nothing waits for this one.
            self._pongs[0] = asyncio.get_running_loop().create_future()
        await super()._process_pong()

    async def _read_loop(self) -> None:
        await super()._read_loop()
        # nats-py logs an exception of its parser and leaves the loop; only a new connection starts another one.
        if self.is_connected and self._reading_task is asyncio.current_task():
            await self._process_op_err(UnexpectedEOF())


async def _never(_message: object) -> None:
    """The callback of a subscription whose messages never reach nats-py."""


def _expire(reply: asyncio.Future[Any]) -> None:
    if not reply.done():
        reply.set_exception(NatsTimeoutError())
