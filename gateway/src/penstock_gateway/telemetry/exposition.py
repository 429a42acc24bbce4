"""The text of `/metrics`, made in a thread: with many routes it takes longer than a token may wait."""

import asyncio
from collections.abc import Callable

CONTENT_TYPE = "text/plain; version=1.0.0; charset=utf-8"
"""prometheus_client's, which is imported only if somebody asks."""


class Exposition:
    """Requests that come while one is made share it."""

    def __init__(self, make: Callable[[], bytes]) -> None:
        self._make = make
        self._making: asyncio.Future[bytes] | None = None

    async def text(self) -> bytes:
        if self._making is None or self._making.done():
            self._making = asyncio.ensure_future(asyncio.to_thread(self._make))
        return await asyncio.shield(self._making)


def prometheus() -> bytes:
    from prometheus_client import generate_latest  # noqa: PLC0415 - only if somebody asks

    return generate_latest()
