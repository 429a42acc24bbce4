"""Publishes the gateway's control messages: `Stop` to workers, `Activation` to the operator.

Owns the tasks that publish, because their callers do not wait: a subscription's callback, or a handler that may itself
be cancelled.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from penstock_broker.connection import Connection
from penstock_broker.queue import QueuedMessage, withdraw
from penstock_contract import codec, subjects
from penstock_contract.stream.frames import Activation, Stop
from penstock_gateway.streaming.stream import Stream

DRAIN_S = 2.0


class ControlMessages:
    def __init__(self, connection: Connection, *, gateway: str) -> None:
        self._connection = connection
        self._gateway = gateway
        self._tasks: set[asyncio.Task[None]] = set()

    def stop(self, route: str, worker: str, stream: int, serves: int) -> None:
        """Stop a worker that serves a stream without a reader; `serves` is the attempt that is read instead."""
        namespace, _, name = route.partition(".")
        subject = subjects.control(namespace, name, worker)
        self._spawn(self._connection.publish(subject, codec.encode(Stop(stream, serves=serves))))

    def activate(self, route: str) -> None:
        """Request workers for a route (`namespace.name`): a request waits and no free slot is known."""
        subject = subjects.activation(*route.split("."))
        self._spawn(self._connection.publish(subject, codec.encode(Activation(self._gateway))))

    def abandon(self, stream: Stream, message: QueuedMessage | None) -> None:
        """Stop the worker of a stream without a client, and withdraw the request from the queue."""
        self._spawn(self._abandon(stream, message))

    async def drain(self) -> None:
        """Wait for the messages that are being published."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=DRAIN_S)

    async def _abandon(self, stream: Stream, message: QueuedMessage | None) -> None:
        reason = stream.error.code if stream.error is not None else "cancelled"
        await self._connection.publish(control_subject(stream), codec.encode(Stop(stream.id, reason)))
        if not stream.protocol.started and message is not None:
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
    if stream.worker is not None:
        return subjects.control(namespace, name, stream.worker)
    return subjects.control_all(namespace, name)
