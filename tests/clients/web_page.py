"""A server for the files of a page, on an origin of its own."""

import contextlib
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

TYPES = {".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript", ".json": "application/json"}


@contextlib.contextmanager
def serving(port: int, html: str, paths: Mapping[str, Path], texts: Mapping[str, str]) -> Iterator[str]:
    """Serve `html` at `/` on that port of this machine, until the block ends; yields the page's address.

    `paths` are files or folders by the first part of the path, `texts` further files by their names.
    """
    files = {"index.html": html, **texts}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.removeprefix("/").partition("?")[0] or "index.html"
            first, _, rest = path.partition("/")
            if path in files:
                self._send(200, files[path].encode(), TYPES[Path(path).suffix])
            elif first in paths and (file := paths[first] / rest if rest else paths[first]).is_file():
                self._send(200, file.read_bytes(), TYPES.get(file.suffix, "text/plain"))
            else:
                self._send(404, b"", "text/plain")

        def _send(self, status: int, body: bytes, type_: str) -> None:
            self.send_response(status)
            self.send_header("content-type", f"{type_}; charset=utf-8")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
