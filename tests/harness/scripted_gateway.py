"""A loopback gateway that writes scripted bytes, for clients: what a real one would not do on demand."""

import contextlib
import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

ERROR = b'{"error":{"message":"the worker is gone","type":"api_error","param":null,"code":"worker_lost"}}'
DONE = b"data: [DONE]\n\n"
PATIENCE_S = 10.0


def text(words: str) -> bytes:
    return b"data: " + json.dumps({"text": words}).encode() + b"\n\n"


@dataclass
class Call:
    """One request as it came, and the raw connection to answer on."""

    path: str
    headers: dict[str, str]
    body: Any
    connection: socket.socket
    left: threading.Event = field(default_factory=threading.Event)

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        named = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        self.send(f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\n{named}\r\n".encode() + body)

    def begin(self) -> None:
        self.send(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-request-id: req_1\r\n"
            b"transfer-encoding: chunked\r\n\r\n"
        )

    def chunk(self, data: bytes) -> None:
        self.send(b"%x\r\n%b\r\n" % (len(data), data))

    def wait_until_left(self) -> None:
        """Block until the client closes its side of the TCP connection."""
        with contextlib.suppress(ConnectionResetError):
            assert self.connection.recv(1) == b"", "the client sent more instead of leaving"
        self.left.set()


Script = Callable[[Call], None]


def refuse(status: int, code: str = "queue_full", **headers: str) -> Script:
    body = ERROR.replace(b"worker_lost", code.encode())
    return lambda call: call.answer(status, body, content_type="application/json", x_request_id="req_0", **headers)


def respond(body: object) -> Script:
    return lambda call: call.answer(200, json.dumps(body).encode(), content_type="application/json")


def stream(*frames: bytes, end: bytes = b"0\r\n\r\n") -> Script:
    """A stream of frames; with `end=b""` the connection is closed before the end of its chunked body."""

    def script(call: Call) -> None:
        call.begin()
        for frame in frames:
            call.chunk(frame)
        call.send(end)
        if not end:
            call.connection.shutdown(socket.SHUT_RDWR)

    return script


def stall(*frames: bytes) -> Script:
    """A stream that is silent until the client disconnects."""

    def script(call: Call) -> None:
        call.begin()
        for frame in frames:
            call.chunk(frame)
        call.wait_until_left()

    return script


def hang_up(call: Call) -> None:
    call.connection.shutdown(socket.SHUT_RDWR)


class Gateway:
    """Answers the n-th request with the n-th script, any after it with 404."""

    def __init__(self, *scripts: Script) -> None:
        self.calls: list[Call] = []
        self._connections: list[socket.socket] = []
        gateway, remaining = self, iter(scripts)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                gateway._connections.append(self.connection)

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", "0")))
                headers = {name.lower(): value for name, value in self.headers.items()}
                call = Call(self.path, headers, json.loads(body) if body else None, self.connection)
                gateway.calls.append(call)
                next(remaining, refuse(404, "not_found"))(call)

            do_GET = do_POST = handle_any  # noqa: N815 - the base class finds them by these names

        class Server(ThreadingHTTPServer):
            daemon_threads = False

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)  # an open client holds its connection
        self._server.server_close()
        self._thread.join()
