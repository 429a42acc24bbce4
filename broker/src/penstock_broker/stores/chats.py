"""Pointers from a page's chat to its last stream, beside the descriptors of streams that outlive their connection.

A pointer is a message of the stream `STREAMS` with a TTL of its own. Its subject has a digest of the chat's id, because
no text of a client becomes a subject token. An empty pointer is none: a compare-and-set writes it.
"""

import math
from hashlib import blake2b
from typing import Final

from msgspec import Struct

from penstock_broker import jetstream
from penstock_broker.connection import Connection
from penstock_broker.errors import broker_unavailable
from penstock_broker.jetstream import JetStreamRefusal
from penstock_contract import subjects

TIMEOUT_S: Final = 2.0
EXPECTED: Final = "Nats-Expected-Last-Subject-Sequence"
TTL: Final = "Nats-TTL"
CLEARED_S: Final = 1
"""The TTL of an empty pointer."""


class ChatPointer(Struct, frozen=True):
    """`sequence` is the message's, for `clear`."""

    stream_id: str
    sequence: int


class ChatStore:
    """Every method raises `broker_unavailable`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def put(self, tenant: str, chat_id: str, stream_id: str, ttl_s: float) -> ChatPointer:
        """Point a tenant's chat at a stream."""
        sequence = await self._write(tenant, chat_id, stream_id, {TTL: f"{max(1, math.ceil(ttl_s))}s"})
        assert sequence is not None
        return ChatPointer(stream_id, sequence)

    async def get(self, tenant: str, chat_id: str) -> ChatPointer | None:
        subject = _subject(tenant, chat_id)
        stored = await jetstream.newest(self._connection, subjects.STREAMS, subject, timeout_s=TIMEOUT_S)
        return ChatPointer(stored.data.decode(), stored.sequence) if stored is not None and stored.data else None

    async def clear(self, tenant: str, chat_id: str, pointer: ChatPointer) -> None:
        """Remove a pointer, unless the chat has got another stream."""
        await self._write(tenant, chat_id, "", {TTL: f"{CLEARED_S}s", EXPECTED: str(pointer.sequence)})

    async def _write(self, tenant: str, chat_id: str, value: str, headers: dict[str, str]) -> int | None:
        """The new sequence; None where another one than the expected is stored."""
        try:
            ack = await jetstream.publish(
                self._connection, _subject(tenant, chat_id), value.encode(), headers=headers, timeout_s=TIMEOUT_S
            )
        except JetStreamRefusal as refusal:
            if refusal.err_code == jetstream.ERR_WRONG_LAST_SEQUENCE:
                return None
            message = f"the message broker refused to store a chat's stream (JetStream error {refusal.err_code})"
            raise broker_unavailable(message) from refusal
        return ack.seq


def _subject(tenant: str, chat_id: str) -> str:
    return subjects.stream_descriptor(tenant, f"chat-{blake2b(chat_id.encode(), digest_size=16).hexdigest()}")
