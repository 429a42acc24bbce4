"""The number of requests in a route's queue, from JetStream's API: the leader responds; a follower may return an old 0.

A missing answer and a missing queue are errors and never a number: read as zero, they would scale a busy route in
(keda#2244); read as the maximum, a missing consumer would scale out (keda#7657).
"""

from typing import Literal

import msgspec

from penstock_broker import jetstream
from penstock_broker.connection import Connection
from penstock_broker.jetstream import Answer, JetStreamRefusal
from penstock_contract import subjects
from penstock_contract.errors import PenstockError

TIMEOUT_S = 2.0
STREAM_NOT_FOUND = 10059
CONSUMER_NOT_FOUND = 10014

Reason = Literal["BrokerUnavailable", "QueueMissing"]


class QueueState(msgspec.Struct, frozen=True, kw_only=True):
    """`pending`: not delivered yet. `ack_pending`: delivered to a worker, before the first event.

    `delivered`: the sequence of the last request that was delivered.
    """

    pending: int
    ack_pending: int
    delivered: int = 0

    def position(self, sequence: int) -> int:
        """The place of a request among those that wait, from 1; withdrawn requests before it may count."""
        return max(1, min(sequence - self.delivered, self.pending))


class QueueUnavailable(Exception):  # noqa: N818
    """The queue's state is unknown; `reason` is a condition's reason, the message is for a person."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason: Reason = reason


class _Delivered(msgspec.Struct, frozen=True):
    stream_seq: int = 0


class _ConsumerInfo(Answer, frozen=True):
    """The fields of a consumer's info that are used; both numbers are required."""

    num_pending: int | None = None
    num_ack_pending: int | None = None
    delivered: _Delivered = _Delivered()


async def read(connection: Connection, namespace: str, route: str, *, timeout_s: float = TIMEOUT_S) -> QueueState:
    """The state of the route's queue now. Raises `QueueUnavailable`."""
    subject = f"$JS.API.CONSUMER.INFO.{subjects.queue(namespace, route)}.{subjects.CONSUMER}"
    try:
        reply = await connection.request(subject, b"", timeout_s=timeout_s)
    except PenstockError as error:
        raise QueueUnavailable("BrokerUnavailable", error.detail.message) from error
    return state_of(reply.data)


def state_of(response: bytes) -> QueueState:
    """Decode JetStream's response. Raises `QueueUnavailable` for an error and for a response without the numbers."""
    try:
        info = jetstream.decode(response, _ConsumerInfo)
    except PenstockError as error:
        raise QueueUnavailable("BrokerUnavailable", error.detail.message) from None
    except JetStreamRefusal as refusal:
        if refusal.err_code in {STREAM_NOT_FOUND, CONSUMER_NOT_FOUND}:
            raise QueueUnavailable("QueueMissing", "the route's queue does not exist") from None
        message = f"the message broker refused: {refusal.description}"
        raise QueueUnavailable("BrokerUnavailable", message) from None
    if info.num_pending is None or info.num_ack_pending is None:
        raise QueueUnavailable("BrokerUnavailable", "the message broker's answer has no numbers")
    return QueueState(pending=info.num_pending, ack_pending=info.num_ack_pending, delivered=info.delivered.stream_seq)


async def position_in_queue(connection: Connection, key: str, sequence: int) -> int | None:
    """The place of a request in the queue of the route `namespace.name`; None if the broker does not reply."""
    namespace, _, route = key.partition(".")
    try:
        return (await read(connection, namespace, route)).position(sequence)
    except QueueUnavailable:
        return None
