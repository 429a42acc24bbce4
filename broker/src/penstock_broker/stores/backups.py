"""Saves streams to files and restores them, by JetStream's snapshot API.

The files are those of `nats stream backup` (`backup.json`, `stream.tar.s2`), so that either program reads the other's.
Only what nothing can make again is saved: API keys, the state of limits and budgets, usage records.
"""

import asyncio
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct
from nats.aio.msg import Msg

from penstock_broker.connection import Connection
from penstock_broker.errors import broker_unavailable, translated
from penstock_broker.jetstream import Answer, JetStreamRefusal, api
from penstock_contract import subjects

SAVED: Final = (
    subjects.bucket_stream(subjects.KEYS_BUCKET),
    subjects.bucket_stream(subjects.LIMITS_BUCKET),
    subjects.USAGE,
)
DESCRIPTION: Final = "backup.json"
DATA: Final = "stream.tar.s2"
CHUNK_BYTES: Final = 128 * 1024
SILENCE_S: Final = 30.0
"""Time between two chunks after which a snapshot has failed; the broker itself ends it after 5 s without an ack."""
ERR_STREAM_NOT_FOUND: Final = 10059


class StreamInUse(Exception):  # noqa: N818
    """The stream has records or readers; the message contains the option that restores nevertheless."""


class RecordCount(Struct, frozen=True):
    """The part of a stream's state that is read here."""

    messages: int = 0


class StreamBackup(Answer, frozen=True):
    """`config` and `state` are the broker's own JSON."""

    config: dict[str, Any] = msgspec.field(default_factory=dict)
    state: dict[str, Any] = msgspec.field(default_factory=dict)

    @property
    def counts(self) -> RecordCount:
        return msgspec.convert(self.state, RecordCount)


class _Consumer(Struct, frozen=True):
    """One reader; that of a process that has ended stays for some minutes, without interest."""

    push_bound: bool = False
    num_waiting: int = 0


class _Consumers(Answer, frozen=True):
    consumers: tuple[_Consumer, ...] = ()


class _Destination(Answer, frozen=True):
    deliver_subject: str = ""


async def save(connection: Connection, stream: str, directory: Path) -> RecordCount:
    """Writes a stream into an empty or new `directory`. Raises `JetStreamRefusal`, `broker_unavailable`, `OSError`."""
    await asyncio.to_thread(directory.mkdir, mode=0o700, parents=True, exist_ok=True)
    chunks: asyncio.Queue[Msg] = asyncio.Queue()
    inbox = connection.new_inbox()
    with translated():
        subscription = await connection.client.subscribe(inbox, cb=chunks.put)
    try:
        request = {"deliver_subject": inbox, "no_consumers": True, "chunk_size": CHUNK_BYTES}
        snapshot = await api(
            connection, f"STREAM.SNAPSHOT.{stream}", msgspec.json.encode(request), StreamBackup, timeout_s=SILENCE_S
        )
        part = directory / f"{DATA}.part"
        with part.open("wb") as file:
            while (chunk := await _next(chunks)).data:
                await asyncio.to_thread(file.write, chunk.data)
                if chunk.reply:
                    # The broker sends further chunks only after acks.
                    await connection.publish(chunk.reply, b"")
        if (chunk.headers or {}).get("Status", "204") != "204":
            raise broker_unavailable(f"the message broker ended the snapshot of {stream}: {chunk.headers}")
        part.rename(directory / DATA)
        description = {"config": snapshot.config, "state": snapshot.state}
        (directory / DESCRIPTION).write_bytes(msgspec.json.format(msgspec.json.encode(description)))
        return snapshot.counts
    finally:
        with translated():
            await subscription.unsubscribe()


async def restore(
    connection: Connection, stream: str, directory: Path, *, replicas: int | None = None, replace: bool = False
) -> RecordCount:
    """Makes a stream from `directory`; `replicas` other than the saved number, as for another broker.

    An existing stream must be empty, unless `replace`, and nothing may read it. Raises `StreamInUse`,
    `JetStreamRefusal`, `broker_unavailable`, `OSError`.
    """
    saved = msgspec.json.decode((directory / DESCRIPTION).read_bytes(), type=StreamBackup)
    config = saved.config if replicas is None else saved.config | {"num_replicas": replicas}
    await _make_room(connection, stream, replace=replace)
    request = msgspec.json.encode({"config": config, "state": saved.state})
    target = await api(connection, f"STREAM.RESTORE.{stream}", request, _Destination, timeout_s=SILENCE_S)
    with (directory / DATA).open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
            reply = await connection.request(target.deliver_subject, chunk, timeout_s=SILENCE_S)
            if reply.data and (error := msgspec.json.decode(reply.data, type=Answer).error) is not None:
                raise JetStreamRefusal(error)
    ended = await connection.request(target.deliver_subject, b"", timeout_s=SILENCE_S)
    restored = msgspec.json.decode(ended.data, type=StreamBackup)
    if restored.error is not None:
        raise JetStreamRefusal(restored.error)
    return restored.counts


async def _make_room(connection: Connection, stream: str, *, replace: bool) -> None:
    try:
        present = await api(connection, f"STREAM.INFO.{stream}", b"", StreamBackup)
    except JetStreamRefusal as refusal:
        if refusal.err_code == ERR_STREAM_NOT_FOUND:
            return
        raise
    listed = await api(connection, f"CONSUMER.LIST.{stream}", b"", _Consumers)
    if any(consumer.push_bound or consumer.num_waiting for consumer in listed.consumers):
        raise StreamInUse(f"{stream} is being read: stop gateways and operator first")
    if present.counts.messages and not replace:
        raise StreamInUse(f"{stream} has {present.counts.messages} records: repeat with --replace to discard them")
    await api(connection, f"STREAM.DELETE.{stream}", b"", Answer)


async def _next(chunks: "asyncio.Queue[Msg]") -> Msg:
    try:
        return await asyncio.wait_for(chunks.get(), SILENCE_S)
    except TimeoutError:
        raise broker_unavailable("the message broker stopped sending the snapshot") from None
