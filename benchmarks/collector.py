"""An OTLP collector that drops what it receives."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Collector:
    """Its URL, and the bytes that were posted to each path."""

    url: str
    received: dict[str, int] = field(default_factory=dict)

    def check(self) -> None:
        """Spans have arrived; else the exporting stack was measured without its exports."""
        if not self.received.get("/v1/traces"):
            raise RuntimeError("no span was exported")


@contextlib.contextmanager
def collecting() -> Iterator[Collector]:
    received: dict[str, int] = {}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            received[self.path] = received.get(self.path, 0) + len(body)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield Collector(f"http://127.0.0.1:{server.server_port}", received)
        finally:
            server.shutdown()
