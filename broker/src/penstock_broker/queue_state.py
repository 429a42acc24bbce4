"""What waits in a route's queue, asked of JetStream's own API: the leader answers, so a follower's stale zero cannot.

An answer that did not come, and a queue that is not there, are errors and never a number: read as nothing, they would
scale a busy route away (keda#2244); read as everything, a missing consumer scales to the maximum (keda#7657).
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
    """`pending`: not delivered yet. `ack_pending`: delivered to a worker, before the first event."""

    pending: int
    ack_pending: int


class QueueUnavailable(Exception):  # noqa: N818
    """How much waits is not known; `reason` is a word for a condition, the message is for a person."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason: Reason = reason


class _ConsumerInfo(Answer, frozen=True):
    """Of JetStream's answer what matters here; an answer without the numbers is not an answer."""

    num_pending: int | None = None
    num_ack_pending: int | None = None


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
    return QueueState(pending=info.num_pending, ack_pending=info.num_ack_pending)
