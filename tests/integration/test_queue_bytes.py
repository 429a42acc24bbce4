"""Queues with a share of the broker's bytes: a route with large requests cannot use what the others need."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from harness.nats_server import NatsServer
from harness.route_spec import provider, spec

from penstock_broker import queue_state
from penstock_broker.connection import Connection
from penstock_broker.control_plane import ControlPlane
from penstock_broker.queue import enqueue
from penstock_contract import subjects
from penstock_contract.catalogue import CatalogueEntry
from penstock_contract.errors import PenstockError

MIB = 1024 * 1024
MEMORY = "max_memory_store: 64MB, max_file_store: 2GB,"
TOTAL = 40 * MIB
LARGE = b"x" * 6_000_000


def entry(name: str, *, depth: int = 256) -> CatalogueEntry:
    spec_ = spec([provider("p", "https://provider.example/v1")], limits={"queueDepth": depth})
    return CatalogueEntry(namespace="default", name=name, created_at=1, spec=spec_)


@pytest_asyncio.fixture
async def connection(tmp_path: Path) -> AsyncIterator[Connection]:
    nats = NatsServer(tmp_path, jetstream=MEMORY)
    await nats.listening()
    made = Connection(nats.url, "test", inbox_prefix="_INBOX_test")
    await made.start()
    yield made
    await made.close()
    await nats.process.end()


async def planned(connection: Connection, total: int | None) -> ControlPlane:
    plane = ControlPlane(connection, queues_bytes_max=total, streams_bytes_max=MIB)
    await plane.prepare()
    return plane


async def send(connection: Connection, route: str, number: int, data: bytes = LARGE) -> None:
    subject = subjects.request("default", route, subjects.ANONYMOUS_TENANT)
    await enqueue(connection, subject, data, message_id=f"{route}-{number}", headers={})


async def bound(connection: Connection, route: str) -> int | None:
    info = await connection.client.jetstream().stream_info(subjects.queue("default", route))
    return info.config.max_bytes


async def refusal(connection: Connection, route: str, count: int) -> tuple[int, PenstockError]:
    """Send until the broker refuses; returns the number of accepted requests, too."""
    for number in range(count):
        try:
            await send(connection, route, number)
        except PenstockError as error:
            return number, error
    raise AssertionError(f"{count} requests were accepted")


async def test_queue_refuses_requests_beyond_its_share_and_others_have_room(connection: Connection) -> None:
    plane = await planned(connection, TOTAL)
    for name in ("parked", "other"):
        await plane.apply(entry(name))

    accepted, error = await refusal(connection, "parked", 10)

    assert (accepted, error.code) == (3, "queue_full")
    assert "bytes" in error.detail.message
    assert error.detail.retry_after_s
    for number in range(3):
        await send(connection, "other", number)


async def test_control_plane_divides_the_bytes_anew_when_routes_are_added_and_removed(connection: Connection) -> None:
    plane = await planned(connection, TOTAL)
    for count, size in ((1, 40), (2, 20), (3, 10), (4, 10)):
        await plane.apply(entry(f"r{count}"))
        assert [await bound(connection, f"r{number}") for number in range(1, count + 1)] == [size * MIB] * count

    await plane.apply(entry("r5"))
    assert await bound(connection, "r1") == await bound(connection, "r5") == -1, "a share would hold no request"

    for name in ("r5", "r4", "r3"):
        await plane.remove("default", name)
    assert await plane.apply(entry("r1"))
    assert await bound(connection, "r1") == 20 * MIB
    assert not await plane.apply(entry("r1")), "nothing is written in steady state"
    assert not await (await planned(connection, TOTAL)).apply(entry("r1")), "nor by another process"


async def test_control_plane_divides_the_bytes_among_routes_that_are_added_at_the_same_moment(
    connection: Connection,
) -> None:
    plane = await planned(connection, TOTAL)
    names = ["r3", "r1", "r4", "r2"]
    await asyncio.gather(*(plane.apply(entry(name)) for name in names))

    assert [await bound(connection, name) for name in names] == [10 * MIB] * 4


async def test_control_plane_makes_room_for_a_route_beside_a_queue_without_a_bound(connection: Connection) -> None:
    """The queue with all the room comes after the one without a bound in the order of names."""
    older, plane = await planned(connection, None), await planned(connection, TOTAL)
    await plane.apply(entry("zeta"))
    await older.apply(entry("alpha"))
    assert [await bound(connection, name) for name in ("zeta", "alpha")] == [TOTAL, -1]

    plane = await planned(connection, TOTAL)
    await plane.apply(entry("beta"))

    assert [await bound(connection, name) for name in ("zeta", "alpha", "beta")] == [10 * MIB] * 3


async def test_control_plane_keeps_the_bound_of_a_queue_where_a_larger_one_has_no_room(connection: Connection) -> None:
    plane = await planned(connection, TOTAL)
    await plane.apply(entry("main"))
    larger = await planned(connection, 1024 * MIB)

    assert await larger.apply(entry("main", depth=7))
    config = (await connection.client.jetstream().stream_info(subjects.queue("default", "main"))).config
    assert (config.max_bytes, config.max_msgs) == (TOTAL, 7)


async def test_control_plane_bounds_a_queue_of_an_older_version_and_keeps_its_requests(connection: Connection) -> None:
    older = await planned(connection, None)
    for name in ("parked", "other"):
        await older.apply(entry(name))
    assert await bound(connection, "parked") == -1
    for number in range(4):
        await send(connection, "parked", number)

    plane = await planned(connection, TOTAL)
    for name in ("parked", "other"):
        await plane.apply(entry(name))

    assert await bound(connection, "parked") == 20 * MIB
    assert (await queue_state.read(connection, "default", "parked")).pending == 4, "nothing that waits is lost"
    with pytest.raises(PenstockError):
        await send(connection, "parked", 5)
    await send(connection, "other", 0)


async def test_control_plane_serves_a_route_without_a_bound_where_the_broker_has_no_room(
    connection: Connection,
) -> None:
    plane = await planned(connection, 1024 * MIB)
    assert await plane.apply(entry("main"))
    assert await bound(connection, "main") == -1
    await send(connection, "main", 0)


async def test_full_broker_is_not_reported_as_unreachable(connection: Connection) -> None:
    await (await planned(connection, None)).apply(entry("main"))

    _, error = await refusal(connection, "main", 30)

    assert error.code == "broker_full"
    assert error.detail.retry_after_s
