"""Renders the text of `/metrics` in a thread: with many routes it takes longer than a token may wait."""

import asyncio
from collections.abc import Callable

CONTENT_TYPE = "text/plain; version=1.0.0"
"""prometheus_client's, which is imported at the first scrape only. Litestar adds the charset to every text type."""


class Exposition:
    """Concurrent requests share one rendering."""

    def __init__(self, render: Callable[[], bytes]) -> None:
        self._render = render
        self._rendering: asyncio.Future[bytes] | None = None

    async def text(self) -> bytes:
        if self._rendering is None or self._rendering.done():
            self._rendering = asyncio.ensure_future(asyncio.to_thread(self._render))
        return await asyncio.shield(self._rendering)


def prometheus() -> bytes:
    from prometheus_client import generate_latest  # noqa: PLC0415 - not imported before the first scrape

    return generate_latest()
