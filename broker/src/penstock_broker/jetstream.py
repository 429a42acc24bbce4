"""JetStream requests over core NATS: API calls, publishes with an ack, compare-and-set and direct reads.

nats-py's own calls (`context`) are used where a call is rare: each of them makes a JetStream context, a date and JSON,
which takes twice the time.
"""

from collections.abc import Mapping
from typing import Final, TypeVar

import msgspec
from nats.js.client import JetStreamContext

from penstock_broker.connection import Connection
from penstock_broker.errors import NOT_CONNECTED, broker_unavailable

TIMEOUT_S: Final = 2.0
ERR_WRONG_LAST_SEQUENCE: Final = 10071
"""JetStream's `err_code` for a compare-and-set whose subject has another last sequence."""
NOT_FOUND: Final = "404"


class JetStreamApiError(msgspec.Struct, frozen=True):
    code: int = 0
    err_code: int = 0
    description: str = ""


class Answer(msgspec.Struct, frozen=True):
    """A JetStream API response: `error`, or the fields of a subclass."""

    error: JetStreamApiError | None = None


class PublishAck(Answer, frozen=True):
    stream: str = ""
    seq: int = 0


class StoredMessage(msgspec.Struct, frozen=True):
    """A message and its sequence in its stream."""

    data: bytes
    sequence: int


class JetStreamRefusal(Exception):  # noqa: N818
    """An error response of JetStream's API."""

    def __init__(self, error: JetStreamApiError) -> None:
        super().__init__(error.description[:200])
        self.err_code = error.err_code
        self.description = error.description[:200]


AnswerType = TypeVar("AnswerType", bound=Answer)


def context(connection: Connection, *, timeout_s: float = 5.0) -> JetStreamContext:
    """nats-py's JetStream client. Raises `broker_unavailable` while the connection is down.

    nats-py itself would buffer a request until the next connect, and the time for its answer would run out.
    """
    if not connection.connected:
        raise broker_unavailable(NOT_CONNECTED)
    return connection.client.jetstream(timeout=timeout_s)


async def api(
    connection: Connection, subject: str, body: bytes, answer: type[AnswerType], *, timeout_s: float = TIMEOUT_S
) -> AnswerType:
    """Call `$JS.API.<subject>`. Raises `JetStreamRefusal`, or `broker_unavailable`."""
    return decode((await connection.request(f"$JS.API.{subject}", body, timeout_s=timeout_s)).data, answer)


async def publish(
    connection: Connection, subject: str, data: bytes, *, headers: Mapping[str, str], timeout_s: float = TIMEOUT_S
) -> PublishAck:
    """Publish to a stream and wait for its ack. Raises `JetStreamRefusal`, or `broker_unavailable`: perhaps stored."""
    reply = await connection.request(subject, data, timeout_s=timeout_s, headers=dict(headers))
    return decode(reply.data, PublishAck)


async def compare_and_set(
    connection: Connection, subject: str, data: bytes, sequence: int, *, timeout_s: float = TIMEOUT_S
) -> int | None:
    """Write the subject's newest message if the stored one has `sequence`, 0 for none; returns the new sequence.

    None: another process wrote meanwhile. Raises `broker_unavailable`: the message may be stored or not.
    """
    headers = {"Nats-Expected-Last-Subject-Sequence": str(sequence)}
    try:
        return (await publish(connection, subject, data, headers=headers, timeout_s=timeout_s)).seq
    except JetStreamRefusal as refusal:
        if refusal.err_code == ERR_WRONG_LAST_SEQUENCE:
            return None
        message = f"the message broker refused to store a record (JetStream error {refusal.err_code})"
        raise broker_unavailable(message) from refusal


async def newest(connection: Connection, stream: str, subject: str, *, timeout_s: float) -> StoredMessage | None:
    """Read the last message of a subject from a stream with direct access. Raises `broker_unavailable`."""
    reply = await connection.request(f"$JS.API.DIRECT.GET.{stream}.{subject}", b"", timeout_s=timeout_s)
    status = reply.headers.get("Status")
    if status == NOT_FOUND:
        return None
    if status is not None:
        raise broker_unavailable()
    return StoredMessage(reply.data, int(reply.headers["Nats-Sequence"]))


async def following(
    connection: Connection, stream: str, subject: str, sequence: int, *, timeout_s: float
) -> StoredMessage | None:
    """Read the first message of a subject from `sequence` on, with direct access. Raises `broker_unavailable`."""
    wanted = msgspec.json.encode({"seq": sequence, "next_by_subj": subject})
    reply = await connection.request(f"$JS.API.DIRECT.GET.{stream}", wanted, timeout_s=timeout_s)
    status = reply.headers.get("Status")
    if status == NOT_FOUND:
        return None
    if status is not None:
        raise broker_unavailable()
    return StoredMessage(reply.data, int(reply.headers["Nats-Sequence"]))


def decode(data: bytes, answer: type[AnswerType]) -> AnswerType:
    """Decode an API response. Raises `JetStreamRefusal`, or `broker_unavailable` for bytes that are no response."""
    try:
        decoded = msgspec.json.decode(data, type=answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise broker_unavailable("the message broker's answer is unreadable") from None
    if decoded.error is not None:
        raise JetStreamRefusal(decoded.error)
    return decoded
