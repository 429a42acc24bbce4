"""Publishes the gateway's control messages: `Stop` to workers, `Activation` to the operator.

Owns the tasks that publish, because their callers do not wait: a subscription's callback, or a handler that may itself
be cancelled.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from penstock_broker.connection import Connection
from penstock_broker.queue import QueuedMessage, withdraw
from penstock_contract import codec, subjects
from penstock_contract.errors import ErrorDetail
from penstock_contract.stream.frames import Activation, Attach, Stop
from penstock_gateway.streaming.stream import Stream

DRAIN_S = 2.0


class ControlMessages:
    def __init__(self, connection: Connection, *, gateway: str) -> None:
        self._connection = connection
        self._gateway = gateway
        self._tasks: set[asyncio.Task[None]] = set()

    def stop(self, route: str, worker: str, stream: int, serves: int) -> None:
        """Stop a worker that serves a stream without a reader here; `serves` is the attempt that is read instead."""
        namespace, _, name = route.partition(".")
        subject = subjects.control(namespace, name, worker)
        self._spawn(self._connection.publish(subject, codec.encode(Stop(stream, serves=serves, reader=self._gateway))))

    def activate(self, route: str) -> None:
        """Request workers for a route (`namespace.name`): a request waits and no free slot is known."""
        subject = subjects.activation(*route.split("."))
        self._spawn(self._connection.publish(subject, codec.encode(Activation(self._gateway))))

    def attach(self, reader: Stream, worker: str | None) -> None:
        """Request the frames that a reader lacks, and later ones too, of `worker`, or of all workers of the route.

        Without a known worker, one may have accepted the request just now.
        """
        namespace, _, name = reader.route.partition(".")
        subject = subjects.control_all(namespace, name)
        if worker is not None:
            subject = subjects.control(namespace, name, worker)
        attach = Attach(reader.id, reader.protocol.attempt, reader.protocol.next_seq, self._gateway)
        self._spawn(self._connection.publish(subject, codec.encode(attach)))

    def stop_stream(self, stream: Stream, error: ErrorDetail) -> None:
        """End a stream at its worker, which sends the end to every gateway that reads it."""
        stop = Stop(stream.id, error.code, message=error.message)
        self._spawn(self._connection.publish(control_subject(stream), codec.encode(stop)))

    def stop_elsewhere(self, route: str, stream: int, error: ErrorDetail) -> None:
        """End a stream whose gateway is lost, at all workers of its route."""
        stop = Stop(stream, error.code, message=error.message)
        subject = subjects.control_all(*route.split("."))
        self._spawn(self._connection.publish(subject, codec.encode(stop)))

    def abandon(
        self, stream: Stream, message: QueuedMessage | None, open_row: Callable[[str], Awaitable[None]]
    ) -> None:
        """Stop the worker of a stream without a client, and withdraw the request from the queue.

        `open_row` opens the usage row of a request id: without its message, no worker writes one.
        """
        self._spawn(self._abandon(stream, message, open_row))

    async def drain(self) -> None:
        """Wait for the messages that are being published."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=DRAIN_S)

    async def _abandon(
        self, stream: Stream, message: QueuedMessage | None, open_row: Callable[[str], Awaitable[None]]
    ) -> None:
        error = stream.error or ErrorDetail("cancelled", "the client disconnected")
        stop = Stop(stream.id, error.code, message=error.message)
        await self._connection.publish(control_subject(stream), codec.encode(stop))
        if not stream.protocol.started and message is not None:
            await open_row(stream.request_id)
            await withdraw(self._connection, message)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def control_subject(stream: Stream) -> str:
    """The control subject of the stream's worker.

    Without a known worker it is that of all workers of the route: one may have accepted the request just now.
    """
    namespace, _, name = stream.route.partition(".")
    if stream.serving.worker is not None:
        return subjects.control(namespace, name, stream.serving.worker)
    return subjects.control_all(namespace, name)
