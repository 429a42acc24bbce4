"""The simulated provider: deterministic tokens at their times, and configured faults."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from unit.support.operations import chat, embeddings
from unit.support.virtual_time import START, virtual_time

from penstock_contract.errors import PenstockError
from penstock_contract.request.operations import Operation
from penstock_contract.route.spec import SimulatedSpec
from penstock_contract.stream.events import Event, Finished, TextDelta, UsageReported
from penstock_worker.providers.provider import CallHandle
from penstock_worker.providers.simulated import SimulatedProvider, token

MORE = {"role": "user", "content": "tell me more"}
HELLO = chat(MORE)


class RecordingListener:
    def __init__(self) -> None:
        self.received: list[tuple[float, Event]] = []
        self.error: PenstockError | None = None
        self.over = asyncio.Event()

    def on_events(self, events: Sequence[Event]) -> None:
        now = round(asyncio.get_running_loop().time() - START, 6)
        self.received += [(now, event) for event in events]

    def on_end(self) -> None:
        self.over.set()

    def on_failure(self, error: PenstockError, *, refused: bool = False) -> None:
        self.error, self.refused = error, refused
        self.over.set()


async def call(operation: Operation = HELLO, **spec: Any) -> tuple[RecordingListener, CallHandle]:
    listener = RecordingListener()
    provider = SimulatedProvider(SimulatedSpec(**spec))
    return listener, await provider.open(operation, "m", listener, connect_timeout_s=1, headers={})


@virtual_time
async def test_simulated_sends_tokens_at_their_rate_then_usage_and_end() -> None:
    listener, _ = await call(tokens=3, tokens_per_second=10, first_token_seconds=2)
    await listener.over.wait()

    assert listener.received == [
        (2.0, TextDelta(token(0))),
        (2.1, TextDelta(token(1))),
        (2.2, TextDelta(token(2))),
        (2.2, UsageReported(3, 3)),
        (2.2, Finished("stop")),
    ]


@virtual_time
async def test_simulated_does_not_delay_tokens_after_a_late_one() -> None:
    listener, _ = await call(tokens=4, tokens_per_second=10)
    await asyncio.sleep(0.05)
    asyncio.get_running_loop()._advance(0.15)  # type: ignore[attr-defined]
    await listener.over.wait()

    assert listener.received[-1][0] == pytest.approx(0.3)


@virtual_time
async def test_simulated_ends_with_length_at_the_bound() -> None:
    listener, _ = await call(chat(MORE, max_tokens=2), tokens=5)
    await listener.over.wait()

    assert [event for _, event in listener.received] == [
        TextDelta(token(0)),
        TextDelta(token(1)),
        UsageReported(3, 2),
        Finished("length"),
    ]


@virtual_time
@pytest.mark.parametrize("place", [0, 2])
async def test_simulated_fails_at_the_configured_token(place: int) -> None:
    listener, _ = await call(tokens=5, error_at_token=place)
    await listener.over.wait()

    assert len(listener.received) == place
    assert listener.error is not None
    assert listener.error.code == "provider_unavailable"


@virtual_time
@pytest.mark.parametrize("place", [0, 2])
async def test_simulated_stalls_at_the_configured_token(place: int) -> None:
    listener, _ = await call(tokens=5, stall_at_token=place)
    await asyncio.sleep(1000)

    assert len(listener.received) == place
    assert not listener.over.is_set()


@virtual_time
async def test_simulated_sends_nothing_after_an_abort() -> None:
    listener, open_ = await call(tokens=5, tokens_per_second=10)
    await asyncio.sleep(0.15)
    open_.abort()
    open_.abort()
    await asyncio.sleep(10)

    assert len(listener.received) == 2


@virtual_time
async def test_simulated_refuses_embeddings() -> None:
    with pytest.raises(PenstockError) as error:
        await call(embeddings("a"))

    assert error.value.code == "unsupported_by_provider"


def test_simulated_tokens_differ_from_their_neighbours() -> None:
    tokens = [token(index) for index in range(1000)]

    assert len(set(tokens)) == 1000
