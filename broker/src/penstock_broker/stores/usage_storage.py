"""Creates the streams and the bucket of usage rows within their bounds, and reads how full they are.

Rows go when they are too old or when there is no room for newer ones, the oldest first; why, and not the newest, is in
docs/decisions/0007.
"""

from msgspec import Struct
from nats.errors import Error
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, KeyValueConfig, StorageType, StreamConfig

from penstock_broker.connection import Connection
from penstock_broker.provisioning import ensure_bucket, ensure_stream
from penstock_contract import subjects

MIB = 1024 * 1024
DAY_S = 86_400.0
ROWS_BYTES_MAX = 512 * MIB
"""About a million rows of half a KiB."""
ROWS_KEPT_DAYS = 400
"""Retention: one year plus one month."""
CHECKPOINTS_BYTES_MAX = 16 * MIB
"""Sized for 3,000 workers with 64 open requests each."""
CHECKPOINTS_KEPT_S = 600.0
GATEWAYS_BYTES_MAX = 4 * MIB
GATEWAYS_KEPT_S = 90 * DAY_S
"""A running gateway writes its entry every few seconds; a stopped one leaves a marker of about 150 bytes."""


class UsageBounds(Struct, frozen=True, kw_only=True):
    """JetStream sets the bytes aside when it makes the stream: of the disk for rows, of memory for checkpoints."""

    rows_bytes_max: int = ROWS_BYTES_MAX
    rows_kept_days: int = ROWS_KEPT_DAYS
    checkpoints_bytes_max: int = CHECKPOINTS_BYTES_MAX
    gateways_bytes_max: int = GATEWAYS_BYTES_MAX


class StorageState(Struct, frozen=True):
    """The fill of the store of rows; `bytes_max` is None without a bound."""

    rows: int
    bytes: int
    bytes_max: int | None

    @property
    def fill(self) -> float:
        """From 0 to 1."""
        return self.bytes / self.bytes_max if self.bytes_max else 0.0


async def prepare(jetstream: JetStreamContext, bounds: UsageBounds, *, replicas: int) -> None:
    """Make what usage needs, or give it these bounds. Rows outlive the broker's process; checkpoints need not."""
    rows = StreamConfig(
        name=subjects.USAGE,
        subjects=[subjects.ALL_USAGE],
        storage=StorageType.FILE,
        discard=DiscardPolicy.OLD,
        max_msgs_per_subject=1,
        max_age=bounds.rows_kept_days * DAY_S,
        max_bytes=bounds.rows_bytes_max,
        allow_direct=True,
        num_replicas=replicas,
    )
    checkpoints = StreamConfig(
        name=subjects.CHECKPOINTS,
        subjects=[subjects.ALL_CHECKPOINTS],
        storage=StorageType.MEMORY,
        discard=DiscardPolicy.OLD,
        max_msgs_per_subject=1,
        max_age=CHECKPOINTS_KEPT_S,
        max_bytes=bounds.checkpoints_bytes_max,
        allow_direct=True,
        num_replicas=replicas,
    )
    gateways = KeyValueConfig(
        bucket=subjects.GATEWAYS_BUCKET,
        history=1,
        storage=StorageType.FILE,
        ttl=GATEWAYS_KEPT_S,
        max_bytes=bounds.gateways_bytes_max,
        replicas=replicas,
    )
    for stream in (rows, checkpoints):
        await ensure_stream(jetstream, stream)
    await ensure_bucket(jetstream, gateways)


async def read_storage_state(connection: Connection) -> StorageState | None:
    """None while the broker does not answer."""
    if not connection.connected:
        return None
    try:
        info = await connection.client.jetstream().stream_info(subjects.USAGE)
    except (Error, OSError, TimeoutError):
        return None
    bytes_max = info.config.max_bytes or 0
    return StorageState(info.state.messages, info.state.bytes, bytes_max if bytes_max > 0 else None)
