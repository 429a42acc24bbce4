"""What waits in a route's queue, asked of JetStream's own API: the leader answers, so a follower's stale zero cannot.

An answer that did not come, and a queue that is not there, are errors and never a number: read as nothing, they would
scale a busy route away (keda#2244); read as everything, a missing consumer scales to the maximum (keda#7657).
"""

from typing import Literal

import msgspec

from penstock_broker.connection import Connection
from penstock_contract import subjects
from penstock_contract.errors import PenstockError

TIMEOUT_S = 2.0
STREAM_NOT_FOUND = 10059
CONSUMER_NOT_FOUND = 10014

Reason = Literal["BrokerUnavailable", "QueueMissing"]


class QueueState(msgspec.Struct, frozen=True, kw_only=True):
    """`pending`: nobody has them yet. `ack_pending`: in a worker's hands, before the first event.

    `waiting` is how many pulls of workers are open.
    """

    pending: int
    ack_pending: int
    waiting: int


class QueueUnavailable(Exception):  # noqa: N818
    """How much waits is not known; `reason` is a word for a condition, the message is for a person."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason: Reason = reason


class _ApiError(msgspec.Struct):
    err_code: int = 0
    description: str = ""


class _ConsumerInfo(msgspec.Struct):
    """Of JetStream's answer what matters here; an answer without the numbers is not an answer."""

    num_pending: int | None = None
    num_ack_pending: int | None = None
    num_waiting: int | None = None
    error: _ApiError | None = None


_decode = msgspec.json.Decoder(_ConsumerInfo).decode


async def read(connection: Connection, namespace: str, route: str, *, timeout_s: float = TIMEOUT_S) -> QueueState:
    """The state of the route's queue now. Raises `QueueUnavailable`."""
    subject = f"$JS.API.CONSUMER.INFO.{subjects.queue(namespace, route)}.{subjects.CONSUMER}"
    try:
        answer = await connection.request(subject, b"", timeout_s=timeout_s)
    except PenstockError as error:
        raise QueueUnavailable("BrokerUnavailable", error.detail.message) from error
    return state_of(answer)


def state_of(answer: bytes) -> QueueState:
    """What JetStream said. Raises `QueueUnavailable` for an error and for an answer that is not whole."""
    try:
        info = _decode(answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise QueueUnavailable("BrokerUnavailable", "the message broker's answer is unreadable") from None
    if info.error is not None:
        if info.error.err_code in {STREAM_NOT_FOUND, CONSUMER_NOT_FOUND}:
            raise QueueUnavailable("QueueMissing", "the route's queue is not there")
        raise QueueUnavailable("BrokerUnavailable", f"the message broker refused: {info.error.description[:200]}")
    if info.num_pending is None or info.num_ack_pending is None:
        raise QueueUnavailable("BrokerUnavailable", "the message broker's answer has no numbers")
    return QueueState(pending=info.num_pending, ack_pending=info.num_ack_pending, waiting=info.num_waiting or 0)
