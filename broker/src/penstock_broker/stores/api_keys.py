"""The keys in NATS KV: written through the admin API, watched by every gateway.

One entry per secret, `<id>.<hash>`: found by its hash in memory, by its id in the store. Every change compares and
sets, so that of two concurrent changes of a key only one succeeds.
"""

import contextlib
from collections.abc import Callable

import msgspec
import structlog
from msgspec.structs import replace
from nats.js.api import KeyValueConfig, StorageType
from nats.js.client import JetStreamContext
from nats.js.errors import BadRequestError, KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from penstock_broker import jetstream
from penstock_broker.connection import Connection
from penstock_broker.errors import translated
from penstock_broker.provisioning import create_missing_bucket
from penstock_broker.stores import kv_snapshot
from penstock_broker.stores.kv_watch import BucketWatch
from penstock_contract import codec, subjects
from penstock_contract.errors import PenstockError
from penstock_contract.limits.api_keys import KeyRecord, KeySpec, hash_of, hint_of, id_for, new_id, new_secret
from penstock_runtime.clock import Clock

STORE_BYTES_MAX = 64 * 1024 * 1024
"""Some hundred thousand keys; the next one is refused."""
SNAPSHOT_TIMEOUT_S = 5.0
REVOKE_TRIES = 5
EXPIRED_KEPT_S = 90 * 86_400
"""An expired key is still shown for so long. A revoked one is kept for good: it must not come back as a first key."""

log = structlog.get_logger("penstock.broker")


class KeyWatch(BucketWatch[KeyRecord]):
    """Feeds its listeners by hash."""

    def __init__(
        self,
        connection: Connection,
        *,
        replace: Callable[[dict[str, KeyRecord]], None],
        put: Callable[[str, KeyRecord | None], None],
    ) -> None:
        super().__init__(
            connection,
            subjects.KEYS_BUCKET,
            _decode,
            replace=lambda records: replace({record.hash: record for record in records.values()}),
            put=lambda entry, record: put(entry.partition(".")[2], record),
        )


class _Stored(msgspec.Struct, frozen=True):
    record: KeyRecord
    revision: int


class KeyStore:
    """Every method raises `broker_unavailable`; those that take an id raise `key_not_found` and `conflict`."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    async def create(self, spec: KeySpec) -> tuple[KeyRecord, str]:
        """A new key and its secret, which is nowhere else."""
        self._check_expiry(spec)
        with _store_errors():
            bucket = await self._bucket()
            await self._delete_expired(bucket, await self._all(bucket))
            return await self._add(bucket, new_id(), spec, generation=1, expires_at=spec.expires_at)

    async def adopt(self, secret: str, spec: KeySpec) -> None:
        """Make `secret` a key unless it was ever one, also if it has been revoked or rotated away since."""
        # Two gateways that start at the same time must make one key, or one of it would survive its revocation.
        record = self._record(id_for(secret), secret, spec, generation=1, expires_at=spec.expires_at)
        with _store_errors(), contextlib.suppress(KeyWrongLastSequenceError):
            bucket = await self._bucket()
            # What was deleted has left its name there, so that an old secret is not taken for a new one.
            if not await self._names(f"{record.id}.*"):
                await bucket.create(_entry(record), codec.encode_json(record))

    async def all(self) -> list[KeyRecord]:
        """The newest record of every key, oldest key first."""
        with _store_errors():
            stored = await self._all(await self._bucket())
        newest: dict[str, KeyRecord] = {}
        for record in sorted((one.record for one in stored), key=lambda record: record.generation):
            newest[record.id] = record
        return sorted(newest.values(), key=lambda record: (record.created_at, record.id))

    async def get(self, key_id: str) -> KeyRecord:
        with _store_errors():
            return (await self._of(await self._bucket(), key_id))[-1].record

    async def revoke(self, key_id: str) -> KeyRecord:
        """Revoke all secrets of the key on every gateway. Idempotent."""
        now = int(self._clock.unix())
        with _store_errors():
            bucket = await self._bucket()
            for _ in range(REVOKE_TRIES):
                stored = await self._of(bucket, key_id)
                left = [one for one in stored if one.record.revoked_at is None]
                if not left:
                    return stored[-1].record
                for one in left:
                    with contextlib.suppress(KeyWrongLastSequenceError):  # rotated meanwhile: look again
                        await _write(bucket, one, replace(one.record, revoked_at=now))
        raise _conflict()

    async def rotate(self, key_id: str, grace_s: int) -> tuple[KeyRecord, str]:
        """A new secret for the same key; the old one still works for `grace_s`."""
        now = int(self._clock.unix())
        with _store_errors():
            bucket = await self._bucket()
            *_, newest = stored = await self._of(bucket, key_id)
            if not newest.record.valid(now):
                raise PenstockError("conflict", "a key that was revoked or has expired cannot be rotated")
            record, secret = await self._add(
                bucket, key_id, newest.record.spec, newest.record.generation + 1, newest.record.expires_at
            )
            try:
                # Also one that ends sooner is written again: had it been revoked meanwhile, it is noticed here.
                for old in stored:
                    ends_at = min(now + grace_s, old.record.expires_at or now + grace_s)
                    await _write(bucket, old, replace(old.record, expires_at=ends_at))
            except KeyWrongLastSequenceError as error:
                await bucket.delete(_entry(record))
                raise _conflict() from error
            for old in stored:
                if not old.record.valid(now):
                    await bucket.delete(_entry(old.record))
            return record, secret

    async def _add(
        self, bucket: KeyValue, key_id: str, spec: KeySpec, generation: int, expires_at: int | None
    ) -> tuple[KeyRecord, str]:
        secret = new_secret()
        record = self._record(key_id, secret, spec, generation, expires_at)
        await bucket.create(_entry(record), codec.encode_json(record))
        return record, secret

    def _record(self, key_id: str, secret: str, spec: KeySpec, generation: int, expires_at: int | None) -> KeyRecord:
        return KeyRecord(
            id=key_id,
            hash=hash_of(secret),
            hint=hint_of(secret),
            spec=spec,
            created_at=int(self._clock.unix()),
            generation=generation,
            expires_at=expires_at,
        )

    def _check_expiry(self, spec: KeySpec) -> None:
        if spec.expires_at is not None and spec.expires_at <= self._clock.unix():
            raise PenstockError("invalid_request", "expires_at: must be in the future", param="expires_at")

    async def _of(self, bucket: KeyValue, key_id: str) -> list[_Stored]:
        """Every record of one key, the newest last."""
        names = await self._names(f"{key_id}.*")
        found = [stored for name in names if (stored := await _read(bucket, name)) is not None]
        if not found:
            raise PenstockError("key_not_found", "there is no key with this id")
        return sorted(found, key=lambda stored: stored.record.generation)

    async def _delete_expired(self, bucket: KeyValue, stored: list[_Stored]) -> None:
        limit = self._clock.unix() - EXPIRED_KEPT_S
        for one in stored:
            expired = one.record.expires_at is not None and one.record.expires_at < limit
            if expired and one.record.revoked_at is None:
                with contextlib.suppress(BadRequestError):  # changed meanwhile: then it is kept
                    await bucket.delete(_entry(one.record), last=one.revision)

    async def _all(self, bucket: KeyValue) -> list[_Stored]:
        """Every record. A watch alone may miss one that is written meanwhile: its old message is gone already, and the
        new one comes after the end of what was there.
        """
        entries = [
            (entry, _decode(entry.key, entry.value or b""))
            for entry in await kv_snapshot.read(bucket, SNAPSHOT_TIMEOUT_S)
        ]
        stored = [_Stored(record, entry.revision) for entry, record in entries if record and entry.revision]
        seen = {_entry(one.record) for one in stored}
        missed = [await _read(bucket, name) for name in await self._names(">") if name not in seen]
        return [*stored, *(one for one in missed if one is not None)]

    async def _names(self, pattern: str) -> list[str]:
        prefix = f"$KV.{subjects.KEYS_BUCKET}."
        info = await jetstream.context(self._connection).stream_info(
            f"KV_{subjects.KEYS_BUCKET}", subjects_filter=prefix + pattern
        )
        return [subject.removeprefix(prefix) for subject in info.state.subjects or {}]

    async def _bucket(self) -> KeyValue:
        return await jetstream.context(self._connection).key_value(subjects.KEYS_BUCKET)


async def prepare(context: JetStreamContext, *, replicas: int, bytes_max: int = STORE_BYTES_MAX) -> None:
    """Create the bucket if it is not there. On disk also where queues are in memory: a key is for longer.

    Raises `broker_unavailable`.
    """
    config = KeyValueConfig(
        bucket=subjects.KEYS_BUCKET,
        history=1,
        max_bytes=bytes_max,
        storage=StorageType.FILE,
        replicas=replicas,
    )
    with _store_errors():
        await create_missing_bucket(context, config)


async def _read(bucket: KeyValue, name: str) -> _Stored | None:
    try:
        entry = await bucket.get(name)
    except KeyNotFoundError:
        return None
    record = _decode(name, entry.value or b"")
    return None if record is None or entry.revision is None else _Stored(record, entry.revision)


async def _write(bucket: KeyValue, stored: _Stored, record: KeyRecord) -> None:
    """Raises `KeyWrongLastSequenceError` after a conflict."""
    await bucket.update(_entry(record), codec.encode_json(record), last=stored.revision)


def _entry(record: KeyRecord) -> str:
    """Both parts are bounded in their types: no other text can become a name in the store."""
    return f"{record.id}.{record.hash}"


def _conflict() -> PenstockError:
    return PenstockError("conflict", "the key was changed at the same time; try again", retry_after_s=1)


def _decode(key: str, value: bytes) -> KeyRecord | None:
    try:
        record = codec.decode_key_record(value)
    except msgspec.DecodeError:
        # Without its detail, which may quote the record.
        log.warning("keys.record_unreadable")
        return None
    if _entry(record) != key:
        log.warning("keys.record_misplaced", key_id=record.id)
        return None
    return record


def _store_errors() -> contextlib.AbstractContextManager[None]:
    return translated("the key store does not answer", event="keys.store_unavailable")
