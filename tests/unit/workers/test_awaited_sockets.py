"""The pause of a busy worker ends with bytes that a client waits for, and with no others."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from penstock_runtime.coalesced_writes import CoalescedWrites
from penstock_worker.awaited_sockets import NONE, AwaitedSockets

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    here, there = socket.socketpair()
    with here, there:
        yield here, there


@pytest.fixture
def other() -> Iterator[Pair]:
    here, there = socket.socketpair()
    with here, there:
        yield here, there


def test_sockets_end_a_pause_by_bytes_of_an_awaited_answer(pair: Pair) -> None:
    sockets = AwaitedSockets()
    sockets.add(pair[0].fileno())
    assert not sockets.block(0.001)
    pair[1].send(b"x")

    assert sockets.block(60)


def test_sockets_end_no_pause_by_bytes_of_a_running_stream(pair: Pair) -> None:
    sockets = AwaitedSockets()
    sockets.add(pair[0].fileno())
    sockets.remove(pair[0].fileno())
    pair[1].send(b"x")

    assert not sockets.block(0.001)


def test_sockets_follow_the_broker_to_another_socket(pair: Pair, other: Pair) -> None:
    descriptor = NONE
    sockets = AwaitedSockets(lambda: descriptor)
    assert not sockets.block(0.001)
    descriptor = pair[0].fileno()
    assert not sockets.block(0.001)
    pair[1].send(b"x")
    assert sockets.block(60)
    descriptor = other[0].fileno()
    assert not sockets.block(0.001)
    other[1].send(b"x")
    assert sockets.block(60)


def test_sockets_write_what_is_held_for_the_broker_before_a_pause(pair: Pair) -> None:
    order: list[str] = []

    def write_held() -> None:
        order.append("written")
        pair[1].send(b"x")  # the broker's reply

    sockets = AwaitedSockets(pair[0].fileno, write_held)

    assert sockets.block(60)
    assert order == ["written"]


async def test_sockets_do_not_pause_until_the_request_of_a_call_is_sent() -> None:
    sent: list[bytes] = []
    sockets, writes = AwaitedSockets(), CoalescedWrites(sent.append)
    with sockets.connecting():
        assert sockets.block(60)
        writes.write(b"POST")

    assert sockets.block(60), "the request is still held"
    await asyncio.sleep(0)
    assert sent == [b"POST"]
    assert not sockets.block(0.001)


def test_sockets_accept_descriptors_that_are_unknown_or_none() -> None:
    sockets = AwaitedSockets()
    sockets.add(NONE)
    sockets.remove(NONE)
    sockets.remove(12)

    assert not sockets.block(0.001)
