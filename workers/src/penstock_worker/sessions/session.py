"""One request in a worker, from its delivery to the last event of its stream.

1. A request that an earlier delivery has begun to serve is not served again; nor one delivered too often.
2. `Accepted` is emitted: the request holds a slot.
3. `Failover` calls providers until one sends its first event.
4. `RequestOwnership` opens the usage row, repeats that until the broker confirms it, and acks the message.
5. Events are emitted in callbacks until the end; they do not wait for the broker.
"""

import structlog

from penstock_broker.queue import Delivery
from penstock_contract.errors import ErrorDetail, PenstockError
from penstock_contract.request.operations import InferenceRequest
from penstock_contract.stream.events import Accepted
from penstock_worker.sessions.calls.failover import Failover
from penstock_worker.sessions.context import RouteVersion, WorkerContext
from penstock_worker.sessions.ownership import RequestOwnership
from penstock_worker.sessions.reply_stream import ReplyStream
from penstock_worker.sessions.usage import RequestUsage

DELIVERIES_MAX = 3
"""After this many deliveries, each ended by a crash of its worker, the request fails."""

log = structlog.get_logger("penstock.worker")


class Session:
    """`run` is the request's task; its owner cancels the task to stop the stream."""

    def __init__(
        self,
        request: InferenceRequest,
        delivery: Delivery,
        stream: ReplyStream,
        usage: RequestUsage,
        route: RouteVersion,
        context: WorkerContext,
    ) -> None:
        self.request = request
        self.usage = usage
        self.stream = stream
        self.unread_since: float | None = None
        """The time since when no gateway reads the stream."""
        self._delivery = delivery
        self._context = context
        self._ownership = RequestOwnership(request.id, delivery, usage)
        self._failover = Failover(request, stream, usage, self._ownership, route, context)

    @property
    def waiting_for_ack(self) -> bool:
        """True until this delivery was acked."""
        return self._ownership.waiting_for_ack

    @property
    def served_elsewhere(self) -> bool:
        """True if another delivery serves the request."""
        return bool(self._ownership.served_by)

    async def run(self) -> None:
        """Serve the request. Afterwards the stream has ended, and the row and the delivery are closed."""
        try:
            await self._serve()
        except PenstockError as error:
            self.stream.fail(error.detail)
        except Exception:
            # The root of this request's task: the client gets an error, the worker continues.
            log.exception("worker.request_failed", request_id=self.request.id)
            self.stream.fail(ErrorDetail("internal_error", "internal error"))
        finally:
            self._failover.abort()
            await self._close()

    async def extend_ack_wait(self) -> None:
        """Restart the ack timer of a delivery that is not acked."""
        await self._ownership.extend_ack_wait()

    def end(self, error: ErrorDetail) -> None:
        """End the stream with `error`; the session's owner cancels its task."""
        # The call first: an event of the provider after the end would be illegal.
        self._failover.abort()
        self.stream.fail(error)

    def record_stop(self, code: str, served_by: int) -> None:
        """Close the row with `code`, unless another delivery serves the request: then the row is left alone."""
        self._ownership.served_by = served_by or self._ownership.served_by
        self.usage.stopped = code

    def release(self, gateway: str, now: float) -> bool:
        """`gateway` gets no more frames. False if that ends the stream; see `unread_too_long` for the others."""
        self.stream.release(gateway)
        if self.request.disconnect is None:
            return gateway != self.request.gateway
        if not self.stream.gateways and self.unread_since is None:
            self.unread_since = now
        return True

    def unread_too_long(self, now: float) -> bool:
        """True if no gateway has read the stream for its grace time; `now` is event-loop time."""
        since, policy = self.unread_since, self.request.disconnect
        if since is None or policy is None or policy.grace_s is None:
            return False
        return now - since > policy.grace_s

    def check_time(self, now: float) -> None:
        """End the stream when a limit of the route has passed; `now` is event-loop time."""
        self._failover.check_time(now)

    async def _close(self) -> None:
        call = self._failover.call
        if call is None:
            await self._ownership.close(None, None)
        else:
            await self._ownership.close(call.usage, call.finished)

    async def _serve(self) -> None:
        context = self._context
        queued_s = self.request.queued_s(context.clock.unix())
        if await self._ownership.served_elsewhere():
            # A gateway that receives the other worker's frames discards this one; without them, that worker crashed.
            raise PenstockError("worker_lost", "the worker that served this request crashed: send the request again")
        if self.usage.stopped is not None:
            return  # nats-py may have swallowed the cancellation
        self.stream.emit(Accepted(context.worker, queued_s, context.incarnation))
        if self._delivery.delivered > DELIVERIES_MAX:
            raise PenstockError("worker_lost", "each worker that served this request crashed")
        with context.telemetry.request(self.request, self._delivery, queued_s):
            await self._failover.run()
        await self._ownership.confirmed()
