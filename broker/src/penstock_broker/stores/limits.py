"""Accounts in NATS KV, changed by compare-and-set. File-backed: a budget must outlive the broker's process."""

import msgspec
import structlog
from nats.js import JetStreamContext
from nats.js.api import KeyValueConfig, StorageType

from penstock_broker import jetstream
from penstock_broker.connection import Connection
from penstock_broker.provisioning import ensure_bucket
from penstock_contract import codec, subjects
from penstock_contract.limits.lease_record import LeaseRecord

STORE_BYTES_MAX = 64 * 1024 * 1024
"""As much as for the keys; beyond it a new key's limits cannot be kept, so that it is refused."""
READ_TIMEOUT_S = 5.0
TIMEOUT_S = 2.0

log = structlog.get_logger("penstock.broker")


async def prepare(context: JetStreamContext, *, replicas: int, bytes_max: int = STORE_BYTES_MAX) -> None:
    config = KeyValueConfig(
        bucket=subjects.LIMITS_BUCKET,
        history=1,
        storage=StorageType.FILE,
        max_bytes=bytes_max,
        replicas=replicas,
        direct=True,
    )
    await ensure_bucket(context, config)


class LeaseRecordStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def get(self, name: str) -> tuple[LeaseRecord, int]:
        """The record and its revision; an empty one of revision 0 if there is none. Raises `broker_unavailable`."""
        stream, subject = subjects.bucket_stream(subjects.LIMITS_BUCKET), _subject(name)
        stored = await jetstream.newest(self._connection, stream, subject, timeout_s=READ_TIMEOUT_S)
        if stored is None:
            return LeaseRecord(), 0
        try:
            return codec.decode_lease_record(stored.data), stored.sequence
        except msgspec.DecodeError as error:
            log.error("limits.account_unreadable", name=name, detail=str(error)[:200])  # noqa: TRY400 - it says it
            return LeaseRecord(), stored.sequence

    async def put(self, name: str, record: LeaseRecord, revision: int) -> int | None:
        """Write the record if the stored one still has `revision`: the new revision, or None after a conflict.

        Raises `broker_unavailable`: the record may be written or not.
        """
        return await jetstream.compare_and_set(
            self._connection, _subject(name), codec.encode_json(record), revision, timeout_s=TIMEOUT_S
        )


def _subject(name: str) -> str:
    return f"$KV.{subjects.LIMITS_BUCKET}.{name}"
