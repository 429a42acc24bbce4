"""Decides what an open stream needs at a moment: an error that ends it, or one of a few actions. Pure.

A silence of up to `SILENCE_MAX_S`, be it the broker's, this process's or the worker's, ends no stream; see
`penstock_runtime.peer_liveness`.
"""

from enum import Enum
from typing import NamedTuple

from penstock_broker.errors import NO_ANSWER
from penstock_contract.errors import ErrorDetail
from penstock_gateway.settings import GatewaySettings
from penstock_gateway.streaming.stream import Stream
from penstock_runtime.pause_detector import PauseDetector
from penstock_runtime.peer_liveness import SILENCE_MAX_S, PeerState

BROKER_AWAY_MAX_S = SILENCE_MAX_S
GAP_MAX_S = 5.0
ATTACH_AGAIN_S = 0.5
PROBE_S = 10.0
"""A stream that is silent for this long is attached again: core NATS drops messages without a notice."""
DEADLINE_GRACE_S = 2.0
"""The worker ends a request at its deadline; the gateway this much later, if the worker has not."""


class ServingWorker(NamedTuple):
    """`state` is that of the process that serves the stream; its heartbeats have no gap since `since`."""

    state: PeerState
    since: float


UNKNOWN_WORKER = ServingWorker(PeerState.ALIVE, float("-inf"))


class StreamAction(Enum):
    NOTHING = "nothing"
    COMMIT = "commit"
    PING = "ping"
    ATTACH = "attach"
    DROP_WORKER = "drop worker"


def next_action(
    stream: Stream,
    now: float,
    settings: GatewaySettings,
    *,
    broker_away_s: float,
    worker: ServingWorker,
    pause_detector: PauseDetector,
    cause: str = "",
) -> StreamAction | ErrorDetail:
    """The most urgent action for `stream`, or the error that ends it.

    `cause` is the known reason why the route's workers take no requests.
    """
    error = (
        stream.exhausted
        or _overdue(stream, now, cause)
        or _broker_absence(broker_away_s)
        or _lost_frames(stream, now, broker_away_s, worker, pause_detector)
        or _stalled(stream, now, settings)
    )
    if error is not None:
        return error
    if broker_away_s == 0:
        attach_age_s = now - stream.attach_sent_at
        if stream.serving.worker is not None and stream.serving.accepted_at is not None:
            if worker.state is PeerState.LOST:
                if not stream.protocol.started:
                    return StreamAction.DROP_WORKER
                return ErrorDetail("worker_lost", "the worker that served this request was lost; send it again")
            if now - stream.last_event_at > PROBE_S and attach_age_s > PROBE_S:
                return StreamAction.ATTACH
        # Also without a known worker: its first frame may be the lost one.
        if stream.protocol.gap_since is not None and attach_age_s > ATTACH_AGAIN_S:
            return StreamAction.ATTACH
    if not stream.committed and now - stream.opened_at > settings.commit_after_s:
        return StreamAction.COMMIT
    if stream.committed and now - stream.output.written_at > settings.ping_after_s:
        return StreamAction.PING
    return StreamAction.NOTHING


def _overdue(stream: Stream, now: float, cause: str) -> ErrorDetail | None:
    limits = stream.limits
    if stream.serving.worker is None and now - stream.serving.published_at > limits.queue_timeout_seconds:
        message = f"no worker took the request within {limits.queue_timeout_seconds:g} s"
        return ErrorDetail("queue_timeout", f"{message}: {cause}" if cause else message, retry_after_s=5)
    if now - stream.opened_at > limits.request_timeout_seconds + DEADLINE_GRACE_S:
        return ErrorDetail("request_timeout", "the request took longer than its route's request timeout")
    if stream.readers is not None and stream.readers.expired(now):
        return ErrorDetail("cancelled", "the stream was not read again within its grace time")
    return None


def _broker_absence(broker_away_s: float) -> ErrorDetail | None:
    if broker_away_s > BROKER_AWAY_MAX_S:
        return ErrorDetail("broker_unavailable", NO_ANSWER, retry_after_s=1)
    return None


def _lost_frames(
    stream: Stream, now: float, broker_away_s: float, worker: ServingWorker, pause_detector: PauseDetector
) -> ErrorDetail | None:
    gap_since = stream.protocol.gap_since
    if (
        gap_since is not None
        and broker_away_s == 0
        # The frames that a silent worker sends again cannot arrive.
        and worker.state is PeerState.ALIVE
        and pause_detector.elapsed_s(max(gap_since, worker.since), now) > GAP_MAX_S
    ):
        return ErrorDetail("stream_lost", "part of the answer was lost between worker and gateway")
    return None


def _stalled(stream: Stream, now: float, settings: GatewaySettings) -> ErrorDetail | None:
    stalled_since = stream.output.stalled_since
    if stalled_since is not None and now - stalled_since > settings.write_timeout_s:
        return ErrorDetail("slow_client", "the client did not read its answer")
    return None
