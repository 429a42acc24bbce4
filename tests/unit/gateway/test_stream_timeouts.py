"""The action that an open stream needs: one case per action, and the moment before it."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from unit.support.limiters import PRICES, resolution
from unit.support.stream_limits import LIMITS, SETTINGS, accepted, queued, streaming
from unit.support.streams import NOW, STARTED, feed, make_stream

from penstock_contract.error_codes import ErrorCode
from penstock_contract.errors import ErrorDetail
from penstock_contract.stream.events import TextDelta
from penstock_gateway.limits.limit_spec import UpfrontUse
from penstock_gateway.limits.stream_charge import StreamCharge
from penstock_gateway.streaming.stream import Stream
from penstock_gateway.streaming.stream_timeouts import (
    ATTACH_AGAIN_S,
    BROKER_AWAY_MAX_S,
    DEADLINE_GRACE_S,
    GAP_MAX_S,
    PROBE_S,
    ServingWorker,
    StreamAction,
    next_action,
)
from penstock_runtime.pause_detector import PauseDetector
from penstock_runtime.peer_liveness import HEARTBEAT_S, PeerState

LONG = msgspec.structs.replace(LIMITS, queue_timeout_seconds=3600)


def waiting_long() -> Stream:
    stream = make_stream()
    stream.limits = LONG
    return stream


def with_gap() -> Stream:
    stream = streaming()
    feed(stream, TextDelta("c"), from_seq=4)
    return stream


def with_gap_before_its_worker() -> Stream:
    stream = queued()
    feed(stream, STARTED, from_seq=1)
    return stream


def committed() -> Stream:
    stream = waiting_long()
    stream.commit()
    return stream


def exhausted() -> Stream:
    stream = streaming()
    charge = StreamCharge([], [], resolution(PRICES), UpfrontUse(1, 1, 1))
    charge.exhaust(ErrorDetail("budget_exhausted", "the budget of the API key is used up"))
    stream.charge = charge
    return stream


def stalled() -> Stream:
    stream = streaming()
    stream.output.stalled_since = NOW
    return stream


def forgotten() -> Stream:
    stream = accepted()
    stream.serving.drop_worker(NOW + 20)
    return stream


def attached_lately() -> Stream:
    stream = with_gap()
    stream.attach_sent_at = NOW + 1
    return stream


def probed_lately() -> Stream:
    stream = streaming()
    stream.attach_sent_at = NOW + 5
    return stream


Row = tuple[Callable[[], Stream], float, dict[str, Any], StreamAction | ErrorCode]


SEEN: dict[str, Any] = {"worker": ServingWorker(PeerState.ALIVE, NOW)}
SILENT: dict[str, Any] = {"worker": ServingWorker(PeerState.SILENT, NOW)}
LOST: dict[str, Any] = {"worker": ServingWorker(PeerState.LOST, NOW)}
AWAY: dict[str, Any] = {"broker_away_s": 1.0}


def answering(*, away_s: float = 0.0) -> PauseDetector:
    """The broker has answered each PING since `NOW`, but for the first `away_s` after it."""
    pause_detector = PauseDetector(HEARTBEAT_S)
    pause_detector.record_answer(NOW)
    for second in range(1, 60):
        if second >= away_s:
            pause_detector.record_answer(NOW + second)
    return pause_detector


def back_after(away_s: float) -> dict[str, Any]:
    return {"pause_detector": answering(away_s=away_s)}


def reconnected_at(since: float) -> dict[str, Any]:
    return {"worker": ServingWorker(PeerState.ALIVE, since)}


DEFAULTS: dict[str, Any] = {"broker_away_s": 0.0, **SEEN, "pause_detector": answering()}
NEEDS: dict[str, Row] = {
    "a queued stream needs nothing": (queued, 0, {}, StreamAction.NOTHING),
    "it waits until its queue timeout": (queued, 30, {}, StreamAction.NOTHING),
    "the queue timeout passes": (queued, 30.1, {}, "queue_timeout"),
    "the queue timeout starts again when a worker is forgotten": (forgotten, 49, {}, StreamAction.COMMIT),
    "and passes again": (forgotten, 50.1, {}, "queue_timeout"),
    "an accepted request does not wait in the queue": (accepted, 31, SEEN, StreamAction.ATTACH),
    "a worker with heartbeats serves": (accepted, 3.6, SEEN, StreamAction.NOTHING),
    "a silent worker may be back": (streaming, 9, SILENT, StreamAction.NOTHING),
    "a silent worker before its first event": (accepted, 9, SILENT, StreamAction.NOTHING),
    "a worker lost before its first event is replaced": (accepted, 3.6, LOST, StreamAction.DROP_WORKER),
    "a worker lost after its first event ends the stream": (streaming, 3.6, LOST, "worker_lost"),
    "a lost worker during a broker absence": (streaming, 3.6, {**LOST, **AWAY}, StreamAction.NOTHING),
    "a gap is kept open during an absence": (with_gap, GAP_MAX_S + 4, back_after(6.0), StreamAction.ATTACH),
    "a gap is kept open while its worker is silent": (with_gap, GAP_MAX_S + 4, SILENT, StreamAction.ATTACH),
    "a gap is kept open when its worker is just back": (
        with_gap,
        GAP_MAX_S + 4,
        reconnected_at(NOW + GAP_MAX_S + 3),
        StreamAction.ATTACH,
    ),
    "a short broker absence": (streaming, 8, {"broker_away_s": 8.0}, StreamAction.NOTHING),
    "a long broker absence": (
        streaming,
        12,
        {"broker_away_s": BROKER_AWAY_MAX_S + 0.1},
        "broker_unavailable",
    ),
    "a long broker absence for a queued stream": (
        queued,
        12,
        {"broker_away_s": BROKER_AWAY_MAX_S + 0.1},
        "broker_unavailable",
    ),
    "a gap is attached again": (with_gap, ATTACH_AGAIN_S + 0.1, SEEN, StreamAction.ATTACH),
    "a gap at the first frame is attached again": (
        with_gap_before_its_worker,
        ATTACH_AGAIN_S + 0.1,
        {},
        StreamAction.ATTACH,
    ),
    "an attach is not repeated immediately": (attached_lately, 1 + ATTACH_AGAIN_S, SEEN, StreamAction.NOTHING),
    "an attach is repeated later": (attached_lately, 1.1 + ATTACH_AGAIN_S, SEEN, StreamAction.ATTACH),
    "a gap that is not closed": (with_gap, GAP_MAX_S + 0.1, SEEN, "stream_lost"),
    "a gap during a broker absence": (with_gap, GAP_MAX_S + 0.1, AWAY, StreamAction.NOTHING),
    "a silent stream is attached again": (streaming, PROBE_S + 0.1, SEEN, StreamAction.ATTACH),
    "a silent stream before its time": (streaming, PROBE_S, SEEN, StreamAction.NOTHING),
    "a silent stream that was attached lately": (probed_lately, PROBE_S + 4, SEEN, StreamAction.NOTHING),
    "the commit waits for the first event": (waiting_long, 45, {}, StreamAction.NOTHING),
    "the commit follows when it is late": (waiting_long, 45.1, {}, StreamAction.COMMIT),
    "a keep-alive for a silent stream": (committed, 15.1, {}, StreamAction.PING),
    "no keep-alive before its time": (committed, 15, {}, StreamAction.NOTHING),
    "a keep-alive during a broker absence": (committed, 15.1, AWAY, StreamAction.PING),
    "no keep-alive before the 200": (waiting_long, 15.1, {}, StreamAction.NOTHING),
    "a client that does not read": (stalled, 30.1, SEEN, "slow_client"),
    "a client that reads slowly": (stalled, 9, SEEN, StreamAction.NOTHING),
    "a budget that is used up ends a stream without events": (exhausted, 0, SEEN, "budget_exhausted"),
    "the request timeout passes": (streaming, 600.1 + DEADLINE_GRACE_S, SEEN, "request_timeout"),
    "the worker ends the request first": (streaming, 600 + DEADLINE_GRACE_S, SEEN, StreamAction.ATTACH),
}


@pytest.mark.parametrize("row", NEEDS.values(), ids=NEEDS)
async def test_stream_timeouts_choose_the_action(row: Row) -> None:
    make, age_s, seen, expected = row

    need = next_action(make(), NOW + age_s, SETTINGS, **{**DEFAULTS, **seen})

    assert (need.code if isinstance(need, ErrorDetail) else need) == expected


async def test_stream_timeouts_name_the_queue_timeout_and_its_cause() -> None:
    unknown = next_action(queued(), NOW + 30.1, SETTINGS, **DEFAULTS)
    error = next_action(queued(), NOW + 30.1, SETTINGS, **DEFAULTS, cause="the worker's image cannot be pulled")

    assert isinstance(unknown, ErrorDetail)
    assert unknown.message == "no worker took the request within 30 s"
    assert isinstance(error, ErrorDetail)
    assert error.message == "no worker took the request within 30 s: the worker's image cannot be pulled"


async def test_stream_timeouts_have_a_case_for_every_action() -> None:
    assert {need for _, _, _, need in NEEDS.values()} >= set(StreamAction)


@pytest.mark.parametrize("row", [row for row in NEEDS.values() if isinstance(row[3], str)])
async def test_stream_timeouts_give_a_retry_time(row: Row) -> None:
    make, age_s, seen, _ = row
    need = next_action(make(), NOW + age_s, SETTINGS, **{**DEFAULTS, **seen})

    assert isinstance(need, ErrorDetail)
    if need.code in {"queue_timeout", "broker_unavailable"}:
        assert need.retry_after_s is not None
