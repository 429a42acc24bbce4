"""The control plane on a nats-server: it writes nothing twice, and never reports an unknown depth as 0."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from harness.nats_server import NatsServer
from harness.processes import until
from harness.route_spec import provider, spec

from penstock_broker import queue_state
from penstock_broker.connection import Connection
from penstock_broker.control_plane import ControlPlane
from penstock_broker.queue import Delivery, Puller, enqueue
from penstock_broker.queue_state import QueueState, QueueUnavailable
from penstock_contract import subjects
from penstock_contract.catalogue import CatalogueEntry
from penstock_contract.errors import PenstockError


def entry(name: str = "main", *, depth: int = 10, cause: str = "", **limits: float) -> CatalogueEntry:
    return CatalogueEntry(
        namespace="default",
        name=name,
        created_at=1,
        spec=spec([provider("p", "https://provider.example/v1")], limits={"queueDepth": depth, **limits}),
        cause=cause,
    )


@pytest.fixture
def nats(tmp_path: Path) -> NatsServer:
    return NatsServer(tmp_path)


@pytest_asyncio.fixture
async def connection(nats: NatsServer) -> AsyncIterator[Connection]:
    await nats.listening()
    made = Connection(nats.url, "test", inbox_prefix="_INBOX_test")
    await made.start()
    yield made
    await made.close()
    await nats.process.end()


@pytest_asyncio.fixture
async def plane(connection: Connection) -> ControlPlane:
    made = ControlPlane(connection)
    await made.prepare()
    return made


async def revision(connection: Connection) -> int:
    """The number of writes of the catalogue."""
    info = await connection.client.jetstream().stream_info(f"KV_{subjects.CATALOGUE_BUCKET}")
    return int(info.state.last_seq)


async def send(connection: Connection, number: int) -> None:
    subject = subjects.request("default", "main", subjects.ANONYMOUS_TENANT)
    await enqueue(connection, subject, b"x", message_id=str(number), headers={})


@pytest.mark.parametrize(
    "limits",
    [
        {},
        {"requestTimeoutSeconds": 3600},
        {"queueTimeoutSeconds": 3600, "requestTimeoutSeconds": 60},
        {"queueTimeoutSeconds": 600, "requestTimeoutSeconds": 1},
    ],
)
async def test_queue_keeps_a_request_as_long_as_a_worker_may_hold_it(
    connection: Connection, plane: ControlPlane, limits: dict[str, float]
) -> None:
    """The request waits for `maxInFlight` and between retries until its deadline; no other worker would take it."""
    applied = entry(**limits)
    await plane.apply(applied)
    info = await connection.client.jetstream().stream_info(subjects.queue("default", "main"))
    may_wait_s = max(applied.spec.limits.queue_timeout_seconds, applied.spec.limits.request_timeout_seconds)
    assert info.config.max_age is not None
    assert info.config.max_age > may_wait_s


async def test_control_plane_does_not_rewrite_an_unchanged_route(connection: Connection, plane: ControlPlane) -> None:
    assert await plane.apply(entry())
    before = await revision(connection)
    assert not await plane.apply(entry())
    assert not await ControlPlane(connection).apply(entry()), "nor by another process"
    assert await revision(connection) == before
    assert await plane.apply(entry(cause="the image cannot be pulled"))
    assert await revision(connection) == before + 1


async def test_control_plane_updates_a_queues_limit_and_keeps_its_messages(
    connection: Connection, plane: ControlPlane
) -> None:
    await plane.apply(entry(depth=10))
    for number in range(3):
        await send(connection, number)
    assert await plane.apply(entry(depth=3))
    assert (await queue_state.read(connection, "default", "main")).pending == 3
    with pytest.raises(PenstockError) as full:
        await send(connection, 4)
    assert full.value.code == "queue_full"


async def test_control_plane_updates_an_older_consumer_and_keeps_its_messages(
    connection: Connection, plane: ControlPlane
) -> None:
    await plane.apply(entry())
    await send(connection, 1)
    jetstream, queue = connection.client.jetstream(), subjects.queue("default", "main")
    wanted = (await jetstream.consumer_info(queue, subjects.CONSUMER)).config
    assert wanted is not None
    # One field that may be changed in place, and one that may not.
    for old in ({"ack_wait": 60.0}, {"max_waiting": 7}):
        await jetstream.delete_consumer(queue, subjects.CONSUMER)
        await jetstream.add_consumer(queue, wanted.evolve(**old))
        assert await plane.apply(entry())
        assert (await jetstream.consumer_info(queue, subjects.CONSUMER)).config == wanted
        assert (await queue_state.read(connection, "default", "main")).pending == 1
        assert not await plane.apply(entry())


async def test_control_plane_keeps_a_queues_storage(connection: Connection, plane: ControlPlane) -> None:
    await plane.apply(entry())
    await send(connection, 1)
    onto_disk = ControlPlane(connection, storage="file")
    await onto_disk.prepare()
    assert not await onto_disk.apply(entry())
    assert await onto_disk.apply(entry(depth=5))
    assert (await queue_state.read(connection, "default", "main")).pending == 1


async def test_catalogue_lists_the_current_routes(plane: ControlPlane) -> None:
    assert await plane.route_keys() == set()
    for name in ("a", "b", "c"):
        await plane.apply(entry(name))
    await plane.remove("default", "b")
    assert await plane.route_keys() == {"default.a", "default.c"}


async def test_control_plane_removes_a_route_twice(plane: ControlPlane) -> None:
    await plane.apply(entry())
    await plane.remove("default", "main")
    await plane.remove("default", "main")
    assert await plane.route_keys() == set()


async def test_queue_depth_of_a_missing_queue_is_unknown(connection: Connection, plane: ControlPlane) -> None:
    with pytest.raises(QueueUnavailable) as stream:
        await queue_state.read(connection, "default", "main")
    assert stream.value.reason == "QueueMissing"
    await plane.apply(entry())
    assert await queue_state.read(connection, "default", "main") == QueueState(pending=0, ack_pending=0)
    await connection.client.jetstream().delete_consumer(subjects.queue("default", "main"), subjects.CONSUMER)
    with pytest.raises(QueueUnavailable) as consumer:
        await queue_state.read(connection, "default", "main")
    assert consumer.value.reason == "QueueMissing"


async def test_queue_depth_without_a_broker_is_unknown(
    nats: NatsServer, connection: Connection, plane: ControlPlane
) -> None:
    await plane.apply(entry())
    nats.kill()
    with pytest.raises(QueueUnavailable) as error:
        await queue_state.read(connection, "default", "main", timeout_s=0.2)
    assert error.value.reason == "BrokerUnavailable"
    await until(lambda: not connection.connected, "the connection is lost")
    with pytest.raises(QueueUnavailable):
        await queue_state.read(connection, "default", "main", timeout_s=0.2)
    with pytest.raises(PenstockError) as refused:
        async with asyncio.timeout(20):
            await plane.apply(entry())
    assert refused.value.code == "broker_unavailable"


async def test_queue_depth_includes_a_request_returned_by_a_worker(connection: Connection, plane: ControlPlane) -> None:
    await plane.apply(entry())
    given: list[Delivery] = []
    taken = asyncio.Event()

    def take(delivery: Delivery) -> None:
        given.append(delivery)
        taken.set()

    puller = Puller(connection, "default", "main", free_slots=lambda: 1 - len(given), deliver=take)
    pulling = asyncio.create_task(puller.run())
    await send(connection, 1)
    async with asyncio.timeout(5):
        await taken.wait()
    await puller.stop()
    await pulling
    await given[0].release()

    async def given_back() -> QueueState | None:
        context, stream = connection.client.jetstream(), subjects.queue("default", "main")
        pulls = (await context.consumer_info(stream, subjects.CONSUMER)).num_waiting
        return None if pulls else await queue_state.read(connection, "default", "main")

    state = await until(given_back, "the request is returned")
    assert (state.pending, state.ack_pending) == (0, 1), "not pending, not gone"
