"""Builds the session of a delivery: its reply stream, its usage row, and the session itself."""

from penstock_broker.queue import Delivery
from penstock_broker.stores.usage import UsageWriter
from penstock_contract.request.operations import InferenceRequest
from penstock_worker.sessions.context import RouteVersion, WorkerContext
from penstock_worker.sessions.frame_batcher import FrameBatcher
from penstock_worker.sessions.reply_stream import ReplyStream
from penstock_worker.sessions.session import Session
from penstock_worker.sessions.usage import RequestUsage


class SessionFactory:
    """`replay_bytes_max` bounds the events that each stream keeps for replay."""

    def __init__(
        self,
        context: WorkerContext,
        route: tuple[str, str],
        batcher: FrameBatcher,
        usage: UsageWriter,
        *,
        replay_bytes_max: int,
    ) -> None:
        self._context = context
        self._route = route
        self._batcher = batcher
        self._usage = usage
        self._replay_bytes_max = replay_bytes_max

    def session(self, request: InferenceRequest, delivery: Delivery, version: RouteVersion) -> Session:
        context = self._context
        stream = ReplyStream(
            self._batcher,
            self._route,
            request.stream,
            delivery.delivered,
            request.gateway,
            replay_bytes_max=self._replay_bytes_max,
        )
        usage = RequestUsage(request, ".".join(self._route), stream, self._usage, context.clock, worker=context.worker)
        return Session(request, delivery, stream, usage, version, context)
