"""Streams that outlive their connection, in JetStream: their descriptors, and the frames of those that are kept.

Only streams with grace or detach are in it. A message expires by its own TTL (NATS 2.11), and each bound drops the
oldest first: `TENANT_BYTES_MAX` of one tenant, `STORE_BYTES_MAX` in all. A stream without its first chunk is not kept
any more.
"""

import math
from typing import Final

import msgspec
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, StorageType, StreamConfig

from penstock_broker import jetstream
from penstock_broker.connection import Connection
from penstock_broker.errors import broker_unavailable
from penstock_broker.jetstream import JetStreamRefusal
from penstock_broker.provisioning import ensure_stream
from penstock_broker.stores.stored_sizes import first_within, stored_sizes
from penstock_contract import codec, subjects
from penstock_contract.errors import PenstockError
from penstock_contract.stream.descriptor import StreamDescriptor
from penstock_contract.stream.frames import Batch, Frame

MIB: Final = 1024 * 1024
STORE_BYTES_MAX: Final = 256 * MIB
AGE_MAX_S: Final = 8 * 86_400.0
"""Longer than each TTL: `keepSeconds` is at most a week."""
CHUNK_BYTES: Final = 64 * 1024
"""Frames of a stream are stored in messages of about this size; a single larger event has its own."""
TENANT_BYTES_MAX: Final = 64 * MIB
"""Frames and inputs of one tenant."""
TENANT_MESSAGES_MAX: Final = 8192
"""Of each kind: the sizes of all of them are read to find the oldest ones over the bound."""
TRIM_EVERY: Final = 32
INPUT_BYTES_MAX: Final = 512 * 1024
"""Of a stored response's input and of its settings, each; below the broker's 1 MiB of a message."""
READ_TIMEOUT_S: Final = 2.0
CHUNKS_MAX: Final = 4096


async def prepare(context: JetStreamContext, *, storage: StorageType, replicas: int, bytes_max: int) -> None:
    config = StreamConfig(
        name=subjects.STREAMS,
        subjects=[subjects.ALL_STREAM_DESCRIPTORS, subjects.ALL_STREAM_INPUTS, subjects.ALL_KEPT_FRAMES],
        storage=storage,
        discard=DiscardPolicy.OLD,
        max_age=AGE_MAX_S,
        max_bytes=bytes_max,
        allow_direct=True,
        allow_msg_ttl=True,
        num_replicas=replicas,
    )
    await ensure_stream(context, config)


def _ttl(seconds: float) -> dict[str, str]:
    return {"Nats-TTL": f"{max(1, math.ceil(seconds))}s"}


class KeptFrameWriter:
    """A worker's writer of its route's frames."""

    def __init__(self, connection: Connection, namespace: str, route: str, *, worker: str) -> None:
        self._connection = connection
        self._route = namespace, route
        self._worker = worker

    async def write(self, tenant: str, stream_id: str, frames: list[Frame], ttl_s: float) -> None:
        """Store one chunk. A repeated one is stored once. Raises `broker_unavailable`."""
        first = frames[0]
        headers = {**_ttl(ttl_s), "Nats-Msg-Id": f"{stream_id}.{first.attempt}.{first.seq}"}
        subject = subjects.kept_frames(*self._route, tenant, stream_id)
        data = codec.encode(Batch(self._worker, frames))
        await jetstream.publish(self._connection, subject, data, headers=headers)


class StreamStore:
    """A gateway's access: descriptors that it writes, and what it reads and deletes."""

    def __init__(self, connection: Connection, *, tenant_bytes_max: int = TENANT_BYTES_MAX) -> None:
        self._connection = connection
        self._tenant_bytes_max = tenant_bytes_max
        self._written: dict[str, int] = {}

    async def put(self, descriptor: StreamDescriptor, ttl_s: float) -> None:
        """Write a descriptor, without an ack, before the request is published: the broker has both or neither."""
        subject = subjects.stream_descriptor(descriptor.tenant, descriptor.id)
        await self._connection.publish(subject, codec.encode(descriptor), headers=_ttl(ttl_s))

    async def get(self, tenant: str, stream_id: str) -> StreamDescriptor | None:
        """Raises `broker_unavailable`."""
        subject = subjects.stream_descriptor(tenant, stream_id)
        stored = await jetstream.newest(self._connection, subjects.STREAMS, subject, timeout_s=READ_TIMEOUT_S)
        if stored is None:
            return None
        try:
            return codec.decode_stream_descriptor(stored.data)
        except msgspec.DecodeError:
            return None

    async def put_input(self, tenant: str, stream_id: str, data: bytes, ttl_s: float) -> None:
        """Store the input of a response, of at most `INPUT_BYTES_MAX`. Raises `broker_unavailable`."""
        try:
            await jetstream.publish(
                self._connection, subjects.stream_input(tenant, stream_id), data, headers=_ttl(ttl_s)
            )
        except JetStreamRefusal as refusal:
            message = f"the message broker refused to store (JetStream error {refusal.err_code})"
            raise broker_unavailable(message) from refusal

    async def get_input(self, tenant: str, stream_id: str) -> bytes | None:
        """Raises `broker_unavailable`."""
        subject = subjects.stream_input(tenant, stream_id)
        stored = await jetstream.newest(self._connection, subjects.STREAMS, subject, timeout_s=READ_TIMEOUT_S)
        return None if stored is None else stored.data

    async def frames(self, descriptor: StreamDescriptor) -> list[Frame]:
        """The kept frames of the last attempt; none if the first is lost. Raises `broker_unavailable`."""
        namespace, _, route = descriptor.route.partition(".")
        subject = subjects.kept_frames(namespace, route, descriptor.tenant, descriptor.id)
        found: list[Frame] = []
        sequence = 1
        for _ in range(CHUNKS_MAX):
            stored = await jetstream.following(
                self._connection, subjects.STREAMS, subject, sequence, timeout_s=READ_TIMEOUT_S
            )
            if stored is None:
                break
            sequence = stored.sequence + 1
            found += [frame for frame in codec.decode_batch(stored.data).frames if frame.stream == descriptor.stream]
        attempt = max((frame.attempt for frame in found), default=0)
        frames = [frame for frame in found if frame.attempt == attempt]
        return frames if frames and frames[0].seq == 0 else []

    async def delete(self, descriptor: StreamDescriptor) -> None:
        """Delete everything of a stream. Raises `broker_unavailable`."""
        await self._purge(subjects.stream_descriptor(descriptor.tenant, descriptor.id))
        await self._purge(subjects.stream_input(descriptor.tenant, descriptor.id))
        await self.delete_frames(descriptor)

    async def delete_frames(self, descriptor: StreamDescriptor) -> None:
        """Raises `broker_unavailable`."""
        namespace, _, route = descriptor.route.partition(".")
        await self._purge(subjects.kept_frames(namespace, route, descriptor.tenant, descriptor.id))

    async def trim(self, tenant: str) -> None:
        """Drop the tenant's oldest messages over its bound, at every `TRIM_EVERY`th call for it. Best effort."""
        count = self._written.get(tenant, 0)
        self._written[tenant] = (count + 1) % TRIM_EVERY
        if count == 0:
            try:
                await self._trim([subjects.tenant_kept_frames(tenant), subjects.tenant_stream_inputs(tenant)])
            except PenstockError:
                self._written[tenant] = 0

    async def _trim(self, filters: list[str]) -> None:
        for filter_ in filters:
            await self._purge(filter_, keep=TENANT_MESSAGES_MAX)
        # Fewer messages are within the bound: the broker's largest message has 1 MiB.
        enough = self._tenant_bytes_max // MIB
        sizes = await stored_sizes(self._connection, subjects.STREAMS, filters, messages_min=enough)
        stays = first_within(sizes, self._tenant_bytes_max)
        for filter_ in filters if stays is not None else ():
            await self._purge(filter_, seq=stays)

    async def _purge(self, filter_: str, **bound: int | None) -> None:
        """Delete all messages of the subjects but the newest `keep`, or those before `seq`."""
        request = msgspec.json.encode({"filter": filter_, **bound})
        try:
            await jetstream.api(self._connection, f"STREAM.PURGE.{subjects.STREAMS}", request, jetstream.Answer)
        except JetStreamRefusal as refusal:
            message = f"the message broker refused to delete (JetStream error {refusal.err_code})"
            raise broker_unavailable(message) from refusal
