"""What an open stream needs at a moment: one row per need, and the moment before it."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from unit.support.streams import ACCEPTED, NOW, STARTED, feed, live

from penstock_contract.errors import ErrorCode, ErrorDetail
from penstock_contract.events import TextDelta
from penstock_contract.route import LimitsSpec
from penstock_gateway.live import LiveStream
from penstock_gateway.settings import GatewaySettings
from penstock_gateway.supervision import (
    ATTACH_AGAIN_S,
    BROKER_AWAY_MAX_S,
    DEADLINE_GRACE_S,
    GAP_MAX_S,
    PROBE_S,
    WORKER_LOST_S,
    Need,
    judge,
)

SETTINGS = GatewaySettings(commit_after_s=45, ping_after_s=15, write_timeout_s=30)
LIMITS = LimitsSpec(queue_timeout_seconds=30, request_timeout_seconds=600)
LONG = msgspec.structs.replace(LIMITS, queue_timeout_seconds=3600)


def queued() -> LiveStream:
    stream = live()
    stream.limits = LIMITS
    return stream


def waiting_long() -> LiveStream:
    stream = live()
    stream.limits = LONG
    return stream


def accepted() -> LiveStream:
    stream = queued()
    feed(stream, ACCEPTED)
    return stream


def streaming() -> LiveStream:
    stream = accepted()
    feed(stream, STARTED, TextDelta("a"), from_seq=1)
    return stream


def with_gap() -> LiveStream:
    stream = streaming()
    feed(stream, TextDelta("c"), from_seq=4)
    return stream


def with_gap_before_its_worker() -> LiveStream:
    stream = queued()
    feed(stream, STARTED, from_seq=1)
    return stream


def committed() -> LiveStream:
    stream = waiting_long()
    stream.commit()
    return stream


def stalled() -> LiveStream:
    stream = streaming()
    stream.stalled_since = NOW
    return stream


def forgotten() -> LiveStream:
    stream = accepted()
    stream.forget_worker(NOW + 20)
    return stream


def asked_lately() -> LiveStream:
    stream = with_gap()
    stream.attach_asked_at = NOW + 1
    return stream


def probed_lately() -> LiveStream:
    stream = streaming()
    stream.attach_asked_at = NOW + 5
    return stream


Row = tuple[Callable[[], LiveStream], float, dict[str, Any], Need | ErrorCode]
SEEN: dict[str, Any] = {"worker_seen_at": NOW + 3600}
AWAY: dict[str, Any] = {"broker_away_s": 1.0}

NEEDS: dict[str, Row] = {
    "a stream that has just been queued needs nothing": (queued, 0, {}, Need.NOTHING),
    "it waits as long as its route lets it": (queued, 30, {}, Need.NOTHING),
    "no worker took it in time": (queued, 30.1, {}, "queue_timeout"),
    "a forgotten worker's request waits again": (forgotten, 49, {}, Need.COMMIT),
    "and not for ever": (forgotten, 50.1, {}, "queue_timeout"),
    "an accepted request does not wait in the queue": (accepted, 31, SEEN, Need.ATTACH),
    "a worker that is heard serves": (accepted, 3.6, SEEN, Need.NOTHING),
    "a worker may be silent for three heartbeats": (accepted, WORKER_LOST_S, {}, Need.NOTHING),
    "a worker that died before its first event is replaced": (accepted, WORKER_LOST_S + 0.1, {}, Need.FORGET_WORKER),
    "a worker that died after it ends the stream": (streaming, WORKER_LOST_S + 0.1, {}, "worker_lost"),
    "its last heartbeat counts": (streaming, 7, {"worker_seen_at": NOW + 3.6}, Need.NOTHING),
    "nobody is heard while the broker is away": (streaming, 8, {"broker_away_s": 8.0}, Need.NOTHING),
    "a broker that is away for too long": (
        streaming,
        12,
        {"broker_away_s": BROKER_AWAY_MAX_S + 0.1},
        "broker_unavailable",
    ),
    "also for what is queued": (queued, 12, {"broker_away_s": BROKER_AWAY_MAX_S + 0.1}, "broker_unavailable"),
    "a gap is asked for": (with_gap, ATTACH_AGAIN_S + 0.1, SEEN, Need.ATTACH),
    "also if its first frame is what was lost": (with_gap_before_its_worker, ATTACH_AGAIN_S + 0.1, {}, Need.ATTACH),
    "not twice at once": (asked_lately, 1 + ATTACH_AGAIN_S, SEEN, Need.NOTHING),
    "but again": (asked_lately, 1.1 + ATTACH_AGAIN_S, SEEN, Need.ATTACH),
    "a gap that does not heal": (with_gap, GAP_MAX_S + 0.1, SEEN, "stream_lost"),
    "it has time while the broker is away": (with_gap, GAP_MAX_S + 0.1, AWAY, Need.NOTHING),
    "a silent stream is asked for what was lost": (streaming, PROBE_S + 0.1, SEEN, Need.ATTACH),
    "not before": (streaming, PROBE_S, SEEN, Need.NOTHING),
    "nor so soon again": (probed_lately, PROBE_S + 4, SEEN, Need.NOTHING),
    "the commit waits for a first event": (waiting_long, 45, {}, Need.NOTHING),
    "and comes when that is late": (waiting_long, 45.1, {}, Need.COMMIT),
    "a client that hears nothing hears a keep-alive": (committed, 15.1, {}, Need.PING),
    "not before its time": (committed, 15, {}, Need.NOTHING),
    "also while the broker is away": (committed, 15.1, AWAY, Need.PING),
    "a client without its 200 hears none": (waiting_long, 15.1, {}, Need.NOTHING),
    "a client that does not read": (stalled, 30.1, SEEN, "slow_client"),
    "it may take its time": (stalled, 9, SEEN, Need.NOTHING),
    "the whole takes too long": (streaming, 600.1 + DEADLINE_GRACE_S, SEEN, "request_timeout"),
    "the worker is the first to say so": (streaming, 600 + DEADLINE_GRACE_S, SEEN, Need.ATTACH),
}


@pytest.mark.parametrize("row", NEEDS.values(), ids=NEEDS)
async def test_a_stream_needs(row: Row) -> None:
    make, age_s, seen, expected = row

    need = judge(make(), NOW + age_s, SETTINGS, **{"broker_away_s": 0.0, "worker_seen_at": None, **seen})

    assert (need.code if isinstance(need, ErrorDetail) else need) == expected


async def test_every_need_has_a_row() -> None:
    assert {need for _, _, _, need in NEEDS.values()} >= set(Need)


@pytest.mark.parametrize("row", [row for row in NEEDS.values() if isinstance(row[3], str)])
async def test_an_error_that_may_be_retried_before_anything_was_said_tells_when(row: Row) -> None:
    make, age_s, seen, _ = row
    need = judge(make(), NOW + age_s, SETTINGS, **{"broker_away_s": 0.0, "worker_seen_at": None, **seen})

    assert isinstance(need, ErrorDetail)
    if need.code in {"queue_timeout", "broker_unavailable"}:
        assert need.retry_after_s is not None
