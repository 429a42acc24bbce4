"""A provider whose every byte is scripted: a loopback HTTP/1.1 server in the test's own event loop.

    provider = await ScriptedProvider.start()
    upstream = provider.upstream("main")            # its own base URL: give it to a route's provider
    upstream.answers(text_stream("Hel", "lo"))              # every call
    upstream.answers(status(429, {"retry-after": "1"}), text_stream("Hi"))   # in order; the last one repeats

An answer is any `async def answer(call: Call) -> None`; `harness.provider_answers` has the usual ones. Another one:

    async def answer(call):
        await call.head()                 # 200, text/event-stream, chunked
        await call.write(chunk("one"))    # raw bytes of the body, one HTTP chunk
        await gate.wait()                 # an asyncio.Event of the test, not a sleep
        call.cut()                        # TCP reset, in the middle of the body
        await call.end()                  # or a regular end

Its records: `upstream.calls` (each with `body`, `headers`, `at`, and `gone`/`gone_at` when its client left),
`upstream.open` and `upstream.open_max` (calls without a whole answer), `await upstream.called(n)`.
Times are `time.monotonic()`.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable

from harness.processes import until
from harness.provider_answers import text_stream
from harness.provider_call import Answer, Call


class Upstream:
    """One provider of a route: a base URL of its own, its script and its memory."""

    def __init__(self, name: str, base_url: str) -> None:
        self.name = name
        self.base_url = base_url
        self.reset()

    def reset(self) -> None:
        """Clear the calls and answer "Hello" again."""
        self.calls: list[Call] = []
        self._unanswered: list[Call] = []
        self.open_max = 0
        self._answers: list[Answer] = [text_stream("Hel", "lo")]

    def answers(self, *answers: Answer) -> None:
        """Script the next calls in order; the last answer is given to all after it."""
        self._answers = list(answers)

    def take(self, call: Call) -> None:
        self.calls.append(call)
        self._unanswered.append(call)
        self.open_max = max(self.open, self.open_max)

    @property
    def open(self) -> int:
        """By bytes on the wire: a client with a complete answer may call again before the task here has ended."""
        self._unanswered = [call for call in self._unanswered if not (call.finished or call.gone.is_set())]
        return len(self._unanswered)

    def take_answer(self) -> Answer:
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    async def called(self, times: int = 1, timeout_s: float = 10.0) -> Call:
        """Wait for call number `times` and return it."""
        await until(lambda: len(self.calls) >= times, f"{self.name} is called {times} times", timeout_s=timeout_s)
        return self.calls[times - 1]

    async def idle(self, timeout_s: float = 5.0) -> None:
        """Wait until no call is open."""
        await until(lambda: self.open == 0, f"{self.name} has no open call", timeout_s=timeout_s)


class _Connection(asyncio.Protocol):
    def __init__(self, provider: "ScriptedProvider") -> None:
        self._provider = provider
        self._data = b""
        self._call: Call | None = None
        self.transport: asyncio.Transport
        self.number = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._provider.connections.append(self)
        self._provider.connected += 1
        self.number = self._provider.connected

    def data_received(self, data: bytes) -> None:
        self._data += data
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._provider.connections.remove(self)
        if self._call is not None:
            self._call.gone_at = time.monotonic()
            self._call.gone.set()

    def _next(self) -> None:
        if self._call is not None or b"\r\n\r\n" not in self._data:
            return
        head, _, rest = self._data.partition(b"\r\n\r\n")
        request_line, *header_lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in header_lines)}
        length = int(headers.get("content-length", "0"))
        if len(rest) < length:
            return
        method, path, _ = request_line.split(" ")
        self._data = rest[length:]
        self._call = Call(self.transport, self.number, method, path, headers, rest[:length])
        self._provider.serve(self._call, self._served)

    def _served(self) -> None:
        self._call = None
        self._next()


class ScriptedProvider:
    """Listens on one port for all upstreams; `http://127.0.0.1:<port>/<upstream>/v1`. `close` it."""

    def __init__(self) -> None:
        self.connections: list[_Connection] = []
        self.connected = 0
        self.port = 0
        self._upstreams: dict[str, Upstream] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @classmethod
    async def start(cls) -> "ScriptedProvider":
        provider = cls()
        loop = asyncio.get_running_loop()
        provider._server = await loop.create_server(lambda: _Connection(provider), "127.0.0.1", 0, backlog=1024)
        provider.port = provider._server.sockets[0].getsockname()[1]
        return provider

    def upstream(self, name: str) -> Upstream:
        return self._upstreams.setdefault(name, Upstream(name, f"http://127.0.0.1:{self.port}/{name}/v1"))

    def reset(self) -> None:
        """Reset the script, and close the connections that still wait."""
        for task in self._tasks:
            task.cancel()
        for connection in list(self.connections):
            connection.transport.abort()
        for upstream in self._upstreams.values():
            upstream.reset()

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        self.reset()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await until(lambda: not self.connections, "the provider's connections are closed")

    def serve(self, call: Call, served: Callable[[], None]) -> None:
        upstream = self.upstream(call.path.split("/")[1])
        upstream.take(call)
        task = asyncio.create_task(self._answer(upstream, call, served))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, upstream: Upstream, call: Call, served: Callable[[], None]) -> None:
        answer = asyncio.ensure_future(upstream.take_answer()(call))
        gone = asyncio.create_task(call.gone.wait())
        try:
            await asyncio.wait((answer, gone), return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                answer.result()
            if not call.finished:
                # The answer has no end: the call is open until its client leaves.
                await call.gone.wait()
        finally:
            for task in (answer, gone):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        served()
