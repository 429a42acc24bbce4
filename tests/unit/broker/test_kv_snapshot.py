"""A bucket is read to its end, also when nats-py marks the end too early."""

import pytest
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js.api import StreamInfo
from nats.js.kv import KeyValue

from penstock_broker.stores import kv_snapshot


def entry(key: str, left: int, operation: str | None = None) -> KeyValue.Entry:
    return KeyValue.Entry("b", key, b"v", revision=1, delta=left, created=None, operation=operation)


class FakeBucket:
    """A bucket of nats-py's interface, with the number of stored entries."""

    def __init__(self, stored: int) -> None:
        self._stored = stored

    async def status(self) -> KeyValue.BucketStatus:
        info = StreamInfo.from_response(
            {
                "config": {"name": "KV_b"},
                "state": {
                    "messages": self._stored,
                    "bytes": 0,
                    "first_seq": 0,
                    "last_seq": 0,
                    "consumer_count": 0,
                    "deleted": [],
                },
                "created": "2026-11-22T00:00:00Z",
            }
        )
        return KeyValue.BucketStatus(stream_info=info, bucket="b")


class FakeWatcher:
    """A watcher of nats-py's interface; None is its mark of the end."""

    def __init__(self, *updates: KeyValue.Entry | None) -> None:
        self._updates = list(updates)

    async def updates(self, timeout: float) -> KeyValue.Entry | None:  # noqa: ASYNC109 - nats-py's
        del timeout
        if not self._updates:
            raise NatsTimeoutError
        return self._updates.pop(0)


async def test_kv_snapshot_of_an_empty_bucket_ends_with_the_mark() -> None:
    assert await kv_snapshot.read_to_end(FakeBucket(0), FakeWatcher(None), 1) == []


async def test_kv_snapshot_ignores_a_mark_before_the_last_delivered_entry() -> None:
    first, last = entry("a", 1), entry("b", 0)
    assert await kv_snapshot.read_to_end(FakeBucket(2), FakeWatcher(None, first, last, None), 1) == [first, last]


async def test_kv_snapshot_leaves_later_entries_to_the_watch() -> None:
    watcher = FakeWatcher(entry("a", 0), None, entry("b", 0))
    assert [one.key for one in await kv_snapshot.read_to_end(FakeBucket(1), watcher, 1)] == ["a"]


async def test_kv_snapshot_of_a_bucket_with_missing_entries_is_not_empty() -> None:
    with pytest.raises(TimeoutError):
        await kv_snapshot.read_to_end(FakeBucket(2), FakeWatcher(None), 1)
