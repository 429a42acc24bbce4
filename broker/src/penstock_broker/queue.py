"""A route's work queue: enqueue for the gateway, pull for the worker.

Own pull loop instead of nats-py's `fetch`, which holds messages that it already has until its timeout while their
ack time runs. The worker requests at most as many messages as it has free slots, and at least three quarters of them:
that is the back-pressure, the least-loaded routing and the queue that the autoscaler reads.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping

import msgspec
import structlog
from nats.aio.subscription import Subscription
from nats.errors import Error

from penstock_broker import jetstream
from penstock_broker.client.nats_client import NatsClient
from penstock_broker.client.socket_transport import message_headers
from penstock_broker.connection import Connection
from penstock_broker.errors import broker_unavailable
from penstock_broker.jetstream import JetStreamRefusal
from penstock_contract import subjects
from penstock_contract.errors import PenstockError

PULL_EXPIRES_S = 30.0
PULL_HEARTBEAT_S = 5.0
PULL_RETRY_S = 0.25
PULL_SHARE = 4
DRAIN_TIMEOUT_S = 1.0
ERR_STORE_FAILED = 10077
"""JetStream's `err_code` when `discard: new` refuses a message over the bound."""
ERRS_FULL = frozenset({10002, 10023, 10028, 10047})
"""JetStream's `err_code`s when the account or the server has no memory or disk left."""

log = structlog.get_logger("penstock.broker")


class QueuedMessage(msgspec.Struct, frozen=True):
    """The position of a request in its queue, for `withdraw`."""

    queue: str
    seq: int


async def enqueue(
    connection: Connection, subject: str, data: bytes, *, message_id: str, headers: Mapping[str, str]
) -> QueuedMessage:
    """Put a request on its route's queue.

    Raises `queue_full`, `broker_full`, `broker_unavailable` or `request_too_large`.
    """
    if connection.connected and len(data) > connection.payload_bytes_max:
        raise PenstockError("request_too_large", "the request is larger than the message broker takes")
    try:
        ack = await jetstream.publish(connection, subject, data, headers={**headers, "Nats-Msg-Id": message_id})
    except JetStreamRefusal as refusal:
        if refusal.err_code == ERR_STORE_FAILED and "maximum" in refusal.description:
            full = "too many bytes of" if "bytes" in refusal.description else "too many"
            raise PenstockError("queue_full", f"{full} requests are waiting for this model", retry_after_s=2) from None
        log.warning("broker.enqueue_refused", err_code=refusal.err_code, detail=refusal.description)
        if refusal.err_code in ERRS_FULL:
            message = "the message broker has no room for the request: send it again"
            raise PenstockError("broker_full", message, retry_after_s=2) from None
        raise broker_unavailable("the request could not be queued") from None
    return QueuedMessage(ack.stream, ack.seq)


async def withdraw(connection: Connection, message: QueuedMessage) -> None:
    """Delete a request from its queue, best effort: its client has gone. Does nothing if a worker has acked it."""
    body = msgspec.json.encode({"seq": message.seq, "no_erase": True})
    with contextlib.suppress(PenstockError, JetStreamRefusal):
        await jetstream.api(connection, f"STREAM.MSG.DELETE.{message.queue}", body, jetstream.Answer)


class Delivery:
    """A message that was delivered to a worker; exactly one of `ack`, `release` and `discard` ends it."""

    __slots__ = ("_connection", "_reply", "data", "delivered", "headers")

    def __init__(self, connection: Connection, reply: str, headers: bytes, data: bytes) -> None:
        self._connection = connection
        self._reply = reply
        self.data = data
        self.headers = message_headers(headers)
        self.delivered = _times_delivered(reply)

    async def ack(self) -> None:
        """Remove the message from the queue. Not confirmed: after a lost ack the message is delivered again."""
        await self._connection.publish(self._reply, b"+ACK")

    async def in_progress(self) -> None:
        """Restart the ack timer."""
        await self._connection.publish(self._reply, b"+WPI")

    async def release(self) -> None:
        """Nak: the next free slot of any worker gets it."""
        await self._connection.publish(self._reply, b"-NAK")

    async def discard(self) -> None:
        """Terminate: no worker gets it again."""
        await self._connection.publish(self._reply, b"+TERM")


def _times_delivered(reply: str) -> int:
    """`$JS.ACK.<stream>.<consumer>.<delivered>.…`, or the v2 form with domain and account hash before the stream."""
    tokens = reply.split(".")
    return int(tokens[6 if len(tokens) > 9 else 4])


class Puller:
    """Keeps the number of requested messages near the number of free slots, and never above it.

    Outstanding = requested - received - the rest that the server reports when a pull expires. Any other status
    (consumer deleted, leader change, no JetStream) starts a new epoch: a new inbox, nothing outstanding.
    """

    def __init__(
        self,
        connection: Connection,
        namespace: str,
        route: str,
        *,
        free_slots: Callable[[], int],
        deliver: Callable[[Delivery], None],
    ) -> None:
        self._connection = connection
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{subjects.queue(namespace, route)}.{subjects.CONSUMER}"
        self._free_slots = free_slots
        self._deliver = deliver
        self._outstanding = 0
        self._inbox = ""
        self._subscription: Subscription | None = None
        self._subscribed_with: NatsClient | None = None
        self._changed = asyncio.Event()
        self._received_at = 0.0
        self._broken = False
        self._stale = False
        self._stopped = False

    def slots_changed(self) -> None:
        """The number of free slots changed: the pull is extended, or withdrawn if it is too large.

        With a nak of each surplus request instead, it would be delivered to the same pull again, and count as a crash.
        """
        if self._outstanding > max(0, self._free_slots()):
            self._stale = True
        self._changed.set()

    def reset(self) -> None:
        """Withdraw the outstanding pull, as after a reconnect."""
        self._stale = True
        self._changed.set()

    async def stop(self) -> None:
        """Pull no more. Requests of the outstanding pull may still arrive."""
        self._stopped = True
        self._changed.set()
        await self._end_epoch()

    async def run(self) -> None:
        """Pull until `stop`, also through outages of the broker."""
        loop = asyncio.get_running_loop()
        while not self._stopped:
            # Cleared first: a change during the awaits below is handled in the next round.
            self._changed.clear()
            if self._broken:
                await asyncio.sleep(PULL_RETRY_S)
            if self._broken or self._stale or self._subscription is None:
                await self._begin_epoch()
            await self._extend_pull()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PULL_HEARTBEAT_S):
                    await self._changed.wait()
            if self._outstanding and loop.time() - self._received_at > 3 * PULL_HEARTBEAT_S:
                log.warning("worker.pull_silent")
                self._broken = True

    async def _extend_pull(self) -> None:
        free = self._free_slots()
        batch = free - self._outstanding
        # Not for each slot that becomes free: one pull for each request costs as much as its delivery.
        if batch <= 0 or batch < free // PULL_SHARE or self._broken or self._stopped or not self._connection.connected:
            return
        if self._outstanding == 0:
            self._received_at = asyncio.get_running_loop().time()
        self._outstanding += batch
        pull = {
            "batch": batch,
            "expires": int(PULL_EXPIRES_S * 1e9),
            "idle_heartbeat": int(PULL_HEARTBEAT_S * 1e9),
        }
        await self._connection.client.publish_directly(self._subject, msgspec.json.encode(pull), self._inbox)

    async def _begin_epoch(self) -> None:
        await self._end_epoch()
        self._broken = self._stale = False
        if not self._connection.connected:
            return
        self._outstanding = 0
        self._inbox = inbox = self._connection.new_inbox()

        def receive(_subject: str, reply: str, headers: bytes, data: bytes) -> None:
            try:
                self._receive(inbox, reply, headers, data)
            except Exception:
                # Above this is the socket's `data_received`: one bad message must not end the connection.
                log.exception("worker.pull_failed")

        self._subscribed_with = client = self._connection.client
        self._subscription = await client.receive(inbox, receive)

    async def _end_epoch(self) -> None:
        if self._subscription is not None:
            subscription, self._subscription = self._subscription, None
            if self._subscribed_with is not None:
                # Delivers what is under way first: a lost message would be redelivered after its ack wait only.
                with contextlib.suppress(Error, TimeoutError):
                    async with asyncio.timeout(DRAIN_TIMEOUT_S):
                        await self._subscribed_with.stop_receiving(subscription)

    def _receive(self, inbox: str, reply: str, block: bytes, data: bytes) -> None:
        self._received_at = asyncio.get_running_loop().time()
        if reply.startswith("$JS.ACK"):
            if inbox == self._inbox:
                self._outstanding -= 1
            self._deliver(Delivery(self._connection, reply, block, data))
            self._changed.set()
            return
        headers = message_headers(block)
        status = headers.get("Status", "")
        if inbox != self._inbox or status == "100":
            return
        if status == "408":
            self._outstanding -= int(headers.get("Nats-Pending-Messages", 0))
        else:
            log.warning("worker.pull_refused", status=status, detail=headers.get("Description", "")[:100])
            self._broken = True
        self._changed.set()
