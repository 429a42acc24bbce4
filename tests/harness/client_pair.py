"""The sync and the asyncio client behind one interface, so that one test covers both."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from harness.scripted_gateway import (
    PATIENCE_S,
    Gateway,
)

from penstock_client import AsyncClient, Client, ResponseInfo
from penstock_contract.endpoints import (
    CHAT,
)
from penstock_contract.request.messages import Message
from penstock_contract.request.operations import (
    ChatCompletionRequest,
    ChatMessage,
    ChatRequest,
)

HELLO = ChatRequest([ChatMessage("user", "hello")])
COMPLETION = ChatCompletionRequest(model="m", messages=[Message("user", "hello")])


@dataclass
class Both:
    """A client with the sync interface: the sync one, or a facade of the asyncio one."""

    run: Callable[[Gateway], Any]
    pauses: list[float]
    seen: list[ResponseInfo]


class AsyncFacade:
    """Drives an `AsyncClient` from sync tests, in an event loop of its own."""

    def __init__(self, client: AsyncClient, runner: asyncio.Runner) -> None:
        self._client = client
        self._runner = runner

    def call(self, *arguments: Any) -> Any:
        return self._runner.run(self._client.call(*arguments))

    def models(self) -> Any:
        return self._runner.run(self._client.models())

    @contextlib.contextmanager
    def stream(self, *arguments: Any) -> Iterator[Any]:
        opened = self._client.stream(*arguments)
        chunks = self._runner.run(opened.__aenter__())
        try:
            yield AsyncChunksFacade(chunks, self._runner)
        finally:
            self._runner.run(opened.__aexit__(None, None, None))


class AsyncChunksFacade:
    def __init__(self, chunks: Any, runner: asyncio.Runner) -> None:
        self.request_id = chunks.request_id
        self._chunks = chunks
        self._runner = runner

    def __iter__(self) -> "AsyncChunksFacade":
        return self

    def __next__(self) -> Any:
        async def step() -> Any:
            return await anext(self._chunks, None)

        if (chunk := self._runner.run(step())) is None:
            raise StopIteration
        return chunk


@contextlib.contextmanager
def clients(kind: Literal["Client", "AsyncClient"]) -> Iterator[Both]:
    """Clients of this kind, closed at the end; pauses before retries are recorded and not waited."""
    pauses: list[float] = []
    seen: list[ResponseInfo] = []
    options: dict[str, Any] = {"api_key": "k", "timeout": PATIENCE_S, "dice": lambda: 0.0, "on_response": seen.append}

    async def async_sleep(seconds: float) -> None:
        pauses.append(seconds)

    with contextlib.ExitStack() as stack:

        def client(gateway: Gateway) -> Any:
            if kind == "Client":
                return stack.enter_context(Client(gateway.url, sleep=pauses.append, **options))
            runner = stack.enter_context(asyncio.Runner())
            asynchronous = AsyncClient(gateway.url, sleep=async_sleep, **options)
            stack.callback(lambda: runner.run(asynchronous.aclose()))
            return AsyncFacade(asynchronous, runner)

        yield Both(client, pauses, seen)


def read(chunks: Any) -> str:
    return "".join(chunk.text for chunk in chunks)


def consume(client: Any, received: list[str]) -> None:
    """Open a stream and read it to the end; `received` has its texts, also after an error."""
    with client.stream(CHAT, HELLO) as chunks:
        received.extend(chunk.text for chunk in chunks)
