"""Accounts in NATS KV, changed by compare-and-set. File-backed: a budget must outlive the broker's process."""

import msgspec
import structlog
from nats.errors import Error
from nats.js import JetStreamContext
from nats.js.api import KeyValueConfig, StorageType
from nats.js.errors import NotFoundError

from penstock_broker.connection import Connection
from penstock_broker.provisioning import ensure_bucket
from penstock_contract import codec, subjects
from penstock_contract.errors import PenstockError
from penstock_contract.limits.lease_record import LeaseRecord

STORE_BYTES_MAX = 64 * 1024 * 1024
"""As much as for the keys; beyond it a new key's limits cannot be kept, so that it is refused."""
TIMEOUT_S = 2.0
ERR_WRONG_LAST_SEQUENCE = 10071

log = structlog.get_logger("penstock.broker")


async def prepare(jetstream: JetStreamContext, *, replicas: int, bytes_max: int = STORE_BYTES_MAX) -> None:
    config = KeyValueConfig(
        bucket=subjects.LIMITS_BUCKET,
        history=1,
        storage=StorageType.FILE,
        max_bytes=bytes_max,
        replicas=replicas,
        direct=True,
    )
    await ensure_bucket(jetstream, config)


class _ApiError(msgspec.Struct):
    err_code: int = 0


class _Answer(msgspec.Struct):
    seq: int = 0
    error: _ApiError | None = None


_decode_answer = msgspec.json.Decoder(_Answer).decode


def _away() -> PenstockError:
    return PenstockError("broker_unavailable", "the message broker does not answer", retry_after_s=1)


class LeaseRecordStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def get(self, name: str) -> tuple[LeaseRecord, int]:
        """The record and its revision; an empty one of revision 0 if there is none. Raises `broker_unavailable`."""
        if not self._connection.connected:
            raise _away()
        stream, subject = f"KV_{subjects.LIMITS_BUCKET}", f"$KV.{subjects.LIMITS_BUCKET}.{name}"
        try:
            message = await self._connection.client.jetstream().get_last_msg(stream, subject, direct=True)
        except NotFoundError:
            return LeaseRecord(), 0
        except (Error, OSError) as error:
            raise _away() from error
        try:
            return codec.decode_lease_record(message.data or b""), message.seq or 0
        except msgspec.DecodeError as error:
            log.error("limits.account_unreadable", name=name, detail=str(error)[:200])  # noqa: TRY400 - it says it
            return LeaseRecord(), message.seq or 0

    async def put(self, name: str, account: LeaseRecord, revision: int) -> int | None:
        """Write it if the stored one still has `revision`: the new revision, or None if somebody was faster.

        Raises `broker_unavailable`; then nobody knows whether it was written.
        """
        if not self._connection.connected:
            raise _away()
        headers = {"Nats-Expected-Last-Subject-Sequence": str(revision)}
        subject = f"$KV.{subjects.LIMITS_BUCKET}.{name}"
        answer = _decode_answer(
            await self._connection.request(subject, codec.encode_json(account), timeout_s=TIMEOUT_S, headers=headers)
        )
        if answer.error is None:
            return answer.seq
        if answer.error.err_code == ERR_WRONG_LAST_SEQUENCE:
            return None
        message = f"the message broker refused to store an account (JetStream's error {answer.error.err_code})"
        raise PenstockError("broker_unavailable", message, retry_after_s=1)
