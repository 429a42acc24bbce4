"""Clients that read at the same time while a test changes the servers.

async with ClientGroup(url, key, "paced", lengths=range(40, 90)) as clients:    # every client reads a first token
    await something()                                                        # a finished client sends again
assert not clients.cut                                                      # all have read to their ends
"""

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import httpx2
from harness.processes import until
from harness.streams.reader import SILENCE_MAX_S, Ending, Reader
from openai import AsyncOpenAI

BEGIN_S = 60.0


class ClientGroup:
    """One client for each of `lengths`, in tokens. With `again`, clients send further requests until the block is left.

    `retries`: the SDK's own retries of a rejected request; 0 unless a test covers them.
    """

    def __init__(
        self, url: str, key: str, model: str, lengths: Sequence[int], *, again: bool = True, retries: int = 0
    ) -> None:
        # A connection for each stream: else one of a gateway that goes could be reused in the moment that it is closed.
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
        timeout = httpx2.Timeout(SILENCE_MAX_S)
        self._client = AsyncOpenAI(
            base_url=f"{url}/v1",
            api_key=key,
            max_retries=retries,
            http_client=httpx2.AsyncClient(limits=limits, timeout=timeout, trust_env=False),
        )
        self._model = model
        self._lengths = lengths
        self._again = again
        self._readers: dict[int, Reader] = {}
        self._leaving = False
        self._tasks: list[asyncio.Task[None]] = []
        self.endings: list[Ending] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._sit(seat, length)) for seat, length in enumerate(self._lengths)]
        try:
            await until(lambda: self._all_read or self.cut, "everybody reads", timeout_s=BEGIN_S)
            assert not self.cut, self.cut
        except BaseException:
            await self._leave()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del error, trace
        self._leaving = True
        try:
            if kind is None:
                await asyncio.gather(*self._tasks)
        finally:
            await self._leave()

    async def _leave(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        await self._client.close()

    @property
    def open(self) -> int:
        """Streams that have begun and not ended."""
        return sum(reader.tokens > 0 for reader in self._readers.values())

    @property
    def whole(self) -> list[Ending]:
        return [ending for ending in self.endings if not ending.error]

    @property
    def cut(self) -> list[Ending]:
        return [ending for ending in self.endings if ending.error]

    @property
    def _all_read(self) -> bool:
        # Clients with further requests have read before, or are about to start.
        done = 0 if self._again else len(self.endings)
        return self.open + done == len(self._lengths)

    async def _sit(self, seat: int, length: int) -> None:
        while True:
            self._readers[seat] = reader = Reader(self._client, self._model, length)
            ending = await reader.read()
            del self._readers[seat]
            self.endings.append(ending)
            if self._leaving or not self._again:
                return
