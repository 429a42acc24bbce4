"""Reports to a client that requested them on its waiting request: its place in the queue, and the cause.

A report is no event of the stream: it is written once, by the gateway that has the request, and a client that reads the
stream again does not count it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from penstock_broker.queue import QueuedMessage
from penstock_contract.errors import PenstockError
from penstock_gateway.streaming.renderers.progress import progress_of
from penstock_gateway.streaming.renderers.renderer import Renderer
from penstock_gateway.streaming.stream import Stream

HEADER: Final = b"x-penstock-progress"
EVERY_S: Final = 1.0
NO_WORKER: Final = "no worker is running yet"
BUSY: Final = "all workers are busy"

Position = Callable[[str, int], Awaitable[int | None]]


def progress_requested(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Raises `invalid_request` for a value other than true and false."""
    for name, value in headers:
        if name == HEADER:
            text = value.strip().lower()
            if text not in {b"true", b"false"}:
                header = HEADER.decode()
                raise PenstockError("invalid_request", f"{header}: write true or false", param=header)
            return text == b"true"
    return False


class ProgressReports:
    """`position(route, sequence)` is a request's place in its queue, None if it is not known.

    `cause(route)` is the known reason why no worker serves the route, `has_worker(route)` True while one runs.
    """

    def __init__(self, position: Position, cause: Callable[[str], str], has_worker: Callable[[str], bool]) -> None:
        self._position = position
        self._cause = cause
        self._has_worker = has_worker
        self._tasks: set[asyncio.Task[None]] = set()

    def report(self, stream: Stream, output: Stream, message: QueuedMessage, renderer: Renderer) -> None:
        """Write reports on `stream` to `output`, which may be the same, while the request waits."""
        task = asyncio.create_task(self._run(stream, output, message, renderer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, stream: Stream, output: Stream, message: QueuedMessage, renderer: Renderer) -> None:
        written = b""
        while True:
            position = await self._position(stream.route, message.seq)
            if stream.serving.accepted_at is not None or stream.done.done() or output.done.done():
                return
            data = progress_of(renderer, position, self._why(stream.route))
            if data != written:
                written = data
                output.output.write(data, asyncio.get_running_loop().time())
            await asyncio.wait((stream.done, output.done), timeout=EVERY_S, return_when=asyncio.FIRST_COMPLETED)

    def _why(self, route: str) -> str:
        return self._cause(route) or (BUSY if self._has_worker(route) else NO_WORKER)
