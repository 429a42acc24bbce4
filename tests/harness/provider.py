"""A provider whose every byte is scripted: a loopback HTTP/1.1 server in the test's own event loop.

    provider = await ScriptedProvider.start()
    upstream = provider.upstream("main")            # its own base URL: give it to a route's provider
    upstream.answers(say("Hel", "lo"))              # every call
    upstream.answers(status(429, {"retry-after": "1"}), say("Hi"))   # in order; the last one repeats

An answer is any `async def answer(call: Call) -> None`; the ones below cover the usual. In a hand-written one:

    async def answer(call):
        await call.head()                 # 200, text/event-stream, chunked
        await call.write(chunk("one"))    # raw bytes of the body, one HTTP chunk
        await gate.wait()                 # an asyncio.Event of the test, not a sleep
        call.cut()                        # TCP reset, in the middle of the body
        await call.end()                  # or a regular end

What it has seen: `upstream.calls` (each with `body`, `headers`, `at`, and `gone`/`gone_at` when its client left),
`upstream.open` and `upstream.open_max` (calls without a whole answer), `await upstream.called(n)`.
Times are `time.monotonic()`.
"""

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from harness.processes import until

SECRET_BODY = "THE-PROVIDERS-OWN-WORDS at /srv/provider/main.py"
"""In every error body of this provider: no client may ever read it."""
TCP_ESTABLISHED = 1
"""The first byte of Linux's `TCP_INFO`; CLOSE_WAIT and CLOSE are others."""
REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 429: "Too Many Requests", 500: "Server Error"}


class Call:
    """One request as the provider received it, and the pen for its answer."""

    def __init__(
        self, connection: "_Connection", method: str, path: str, headers: dict[str, str], raw_body: bytes
    ) -> None:
        self._connection = connection
        self._chunked = False
        self.method = method
        self.path = path
        self.headers = headers
        self.raw_body = raw_body
        self.at = time.monotonic()
        self.finished = False
        """Whether the whole answer was written."""
        self.gone = asyncio.Event()
        self.gone_at = 0.0

    @property
    def body(self) -> Any:
        return json.loads(self.raw_body)

    @property
    def hung_up(self) -> bool:
        """Whether the client has left: asked of the kernel, as `gone` waits until our own loop gets there."""
        if self.gone.is_set() or self._connection.transport.is_closing():
            return True
        connection = self._connection.transport.get_extra_info("socket")
        return bool(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != TCP_ESTABLISHED)

    @property
    def connection_number(self) -> int:
        """Which of the provider's connections, counted from 1, carried the call."""
        return self._connection.number

    async def head(
        self, status_: int = 200, headers: Mapping[str, str] | None = None, *, length: int | None = None
    ) -> None:
        """Status line and headers; chunked unless `length` is given. -1 means: until the connection closes."""
        merged = {"content-type": "text/event-stream", **(headers or {})}
        if length is None:
            self._chunked = True
            merged["transfer-encoding"] = "chunked"
        elif length >= 0:
            merged["content-length"] = str(length)
        lines = [f"HTTP/1.1 {status_} {REASONS.get(status_, 'Status')}", *(f"{k}: {v}" for k, v in merged.items())]
        await self.raw("\r\n".join(lines).encode() + b"\r\n\r\n")

    async def write(self, data: bytes) -> None:
        """Bytes of the body."""
        await self.raw(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    async def raw(self, data: bytes) -> None:
        """Bytes on the connection, without framing."""
        if not self.gone.is_set():
            self._connection.transport.write(data)

    async def end(self) -> None:
        """The regular end of a chunked body."""
        if self._chunked:
            await self.raw(b"0\r\n\r\n")
        self.finished = True

    def close(self) -> None:
        """FIN after what was written."""
        self.finished = True
        self._connection.transport.close()

    def cut(self) -> None:
        """RST at once."""
        self.finished = True
        self._connection.transport.abort()

    async def left(self, timeout_s: float = 5.0) -> float:
        """Wait until the client has hung up; returns when."""
        async with asyncio.timeout(timeout_s):
            await self.gone.wait()
        return self.gone_at


Answer = Callable[[Call], Awaitable[None]]


class Upstream:
    """One provider of a route: a base URL of its own, its script and its memory."""

    def __init__(self, name: str, base_url: str) -> None:
        self.name = name
        self.base_url = base_url
        self.reset()

    def reset(self) -> None:
        """Forget every call and answer "Hello" again."""
        self.calls: list[Call] = []
        self._unanswered: list[Call] = []
        self.open_max = 0
        self._answers: list[Answer] = [say("Hel", "lo")]

    def answers(self, *answers: Answer) -> None:
        """Script the next calls in order; the last answer is given to all after it."""
        self._answers = list(answers)

    def take(self, call: Call) -> None:
        self.calls.append(call)
        self._unanswered.append(call)
        self.open_max = max(self.open, self.open_max)

    @property
    def open(self) -> int:
        """By what is on the wire: who has read a whole answer may call again before its task here has ended."""
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
        self._call = Call(self, method, path, headers, rest[:length])
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


# The OpenAI dialect, as bytes


def data(value: object) -> bytes:
    """One server-sent event."""
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def delta(**fields: Any) -> bytes:
    """A chat chunk with this delta."""
    return data({"id": "x", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": fields}]})


def chunk(text: str) -> bytes:
    return delta(content=text)


def finish(reason: str = "stop") -> bytes:
    return data({"id": "x", "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})


def usage(prompt: int = 3, completion: int = 2, **details: Any) -> bytes:
    counted = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion, **details}
    return data({"id": "x", "choices": [], "usage": counted})


DONE = b"data: [DONE]\n\n"


# Answers


def stream(*pieces: bytes) -> Answer:
    """A 200 of these pieces, each its own HTTP chunk, regularly ended."""

    async def answer(call: Call) -> None:
        await call.head()
        for piece in pieces:
            await call.write(piece)
        await call.end()

    return answer


def say(*texts: str, reason: str = "stop") -> Answer:
    """A whole, well-formed chat answer."""
    return stream(*(chunk(text) for text in texts), finish(reason), usage(completion=len(texts)), DONE)


def say_then_cut(*texts: str) -> Answer:
    """These texts, then the connection breaks inside the chunked body."""
    return stream_then_cut(*(chunk(text) for text in texts))


def stream_then_cut(*pieces: bytes) -> Answer:
    async def answer(call: Call) -> None:
        await call.head()
        for piece in pieces:
            await call.write(piece)
        call.close()

    return answer


def say_then_wait(*texts: str) -> Answer:
    """These texts, then silence until the client leaves."""

    async def answer(call: Call) -> None:
        await call.head()
        for text in texts:
            await call.write(chunk(text))

    return answer


def when(gate: asyncio.Event, answer: Answer) -> Answer:
    """Nothing until `gate` is set, then `answer`."""

    async def gated(call: Call) -> None:
        await gate.wait()
        await answer(call)

    return gated


async def silence(call: Call) -> None:
    """Never a byte."""
    del call


async def refuse(call: Call) -> None:
    """The connection is reset before a byte of an answer."""
    call.cut()


def status(code: int, headers: Mapping[str, str] | None = None, body: object = None) -> Answer:
    """An unsuccessful JSON answer; by default its body is `SECRET_BODY`."""
    content = json.dumps({"error": {"message": SECRET_BODY}} if body is None else body).encode()

    async def answer(call: Call) -> None:
        await call.head(code, {"content-type": "application/json", **(headers or {})}, length=len(content))
        await call.write(content)
        call.finished = True

    return answer


def json_answer(value: object) -> Answer:
    return status(200, body=value)


def embeddings(vectors: Iterable[list[float]], tokens: int = 3) -> Answer:
    """A whole embeddings answer, as floats."""
    items = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)]
    return json_answer({"object": "list", "data": items, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}})
