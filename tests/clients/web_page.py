"""A page in a real browser: a server for its files on an origin of its own, and Chromium without a window."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
TYPES = {".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript", ".json": "application/json"}
OPTIONS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--mute-audio"),
)
PAGE = """<!doctype html>
<meta charset="utf-8">
<script type="importmap">{"imports": %s}</script>
<script type="module" src="/%s"></script>
"""


async def run_page(
    port: int, script: Path, imports: Mapping[str, str], folders: Mapping[str, Path], settings: Any, profile: Path
) -> Any:
    """What the module `script` posts to `/results`. It imports by `imports`, and gets `settings` from `/settings`.

    The page's origin is that port of this machine. `folders` are what the server has beside the script, by the first
    part of the path; `profile` is an empty folder.
    """
    files = {"": PAGE % (json.dumps(imports), script.name), "settings": json.dumps(settings)}
    results: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    with _serving(port, {**folders, script.name: script}, files, results):
        assert CHROMIUM is not None
        browser = await asyncio.create_subprocess_exec(
            *(CHROMIUM, *OPTIONS, f"--user-data-dir={profile}", f"http://127.0.0.1:{port}/"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        ended = asyncio.create_task(browser.wait())
        try:
            await asyncio.wait([results, ended], return_when=asyncio.FIRST_COMPLETED)
            assert results.done(), f"chromium ended with status {browser.returncode}"
            return results.result()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(browser.pid, signal.SIGKILL)
            await ended


@contextlib.contextmanager
def _serving(
    port: int, paths: Mapping[str, Path], texts: Mapping[str, str], results: "asyncio.Future[Any]"
) -> Iterator[None]:
    loop = results.get_loop()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.removeprefix("/").partition("?")[0]
            first, _, rest = path.partition("/")
            if path in texts:
                self._send(200, texts[path].encode(), "text/html" if path == "" else "application/json")
            elif first in paths and (file := paths[first] / rest if rest else paths[first]).is_file():
                self._send(200, file.read_bytes(), TYPES.get(file.suffix, "text/plain"))
            else:
                self._send(404, b"", "text/plain")

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            self._send(204, b"", "text/plain")
            loop.call_soon_threadsafe(_settle, results, body)

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
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _settle(results: "asyncio.Future[Any]", body: Any) -> None:
    if not results.done():
        results.set_result(body)
