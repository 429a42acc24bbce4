"""Permissions of each role on a nats-server: the complete request path under its users, and the rejections."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio
from harness.keyed import KeyedStack
from harness.nats_access import User, lets_in, logged_in, refusals_of_gateway, refusals_of_operator, refusals_of_worker
from harness.nats_server import NatsServer
from harness.nats_users import NatsUsers
from harness.processes import until
from harness.provider_answers import text_stream
from harness.route_spec import chat, completion
from harness.stack_routes import NAMESPACE
from harness.stream_reader import texts_of
from nats.js.errors import NotFoundError

from penstock_broker.connection import Connection
from penstock_broker.permissions import FIXED_STREAMS, Permissions
from penstock_contract import subjects

ANYTHING = Permissions(publish=(">",), subscribe=(">",))
ANSWER_S = 5.0
OTHER = "other"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def keyed_stack() -> AsyncIterator[KeyedStack]:
    async with KeyedStack(users=True) as stack:
        yield stack


def users(stack: KeyedStack) -> NatsUsers:
    assert stack.users is not None
    return stack.users


@pytest_asyncio.fixture(loop_scope="module")
async def worker(keyed: KeyedStack) -> AsyncIterator[User]:
    """A client with the credentials of route "other", like an attacker in one of its workers."""
    inbox = subjects.worker_inbox(NAMESPACE, OTHER)
    async with logged_in(keyed.nats.url, users(keyed).worker(NAMESPACE, OTHER), inbox) as user:
        yield user


@pytest_asyncio.fixture(loop_scope="module")
async def gateway(keyed: KeyedStack) -> AsyncIterator[User]:
    async with logged_in(keyed.nats.url, users(keyed).gateway, subjects.GATEWAY_INBOX) as user:
        yield user


@pytest_asyncio.fixture(loop_scope="module")
async def operator(keyed: KeyedStack) -> AsyncIterator[User]:
    async with logged_in(keyed.nats.url, users(keyed).operator, subjects.OPERATOR_INBOX) as user:
        yield user


@pytest_asyncio.fixture(loop_scope="module")
async def observer(keyed: KeyedStack) -> AsyncIterator[User]:
    """A user with all permissions."""
    async with logged_in(keyed.nats.url, users(keyed).anybody("witness", ANYTHING), "_INBOX_witness") as user:
        yield user


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_nats_users_keys_limits_streams_and_usage_work(keyed: KeyedStack) -> None:
    made = await keyed.create_key("limited", limits={"requests_per_minute": 2})
    client = keyed.with_key(made["key"])
    keyed.main.answers(text_stream("Hel", "lo"), text_stream("Hel", "lo"))
    for _ in range(2):
        answer = await client.post("/v1/chat/completions", json=completion(stream=True))
        assert answer.status_code == 200
        assert "[DONE]" in answer.text
    assert (await client.post("/v1/chat/completions", json=completion())).status_code == 429

    async def counted() -> bool:
        rows = (await keyed.admin.get("/admin/usage/rows")).json()["rows"]
        return sum(row["key"] == made["id"] and row.get("ended") == "stop" for row in rows) == 2

    await until(counted, "both requests are in the books")
    assert (await keyed.admin.delete(f"/admin/keys/{made['id']}")).status_code == 200

    async def refused() -> bool:
        return (await client.get("/v1/models")).status_code == 401

    await until(refused, "the key is revoked")
    denied = [line for process in keyed.processes for line in process.events("broker.not_permitted")]
    assert denied == []


async def test_nats_users_without_valid_credentials_are_rejected(keyed: KeyedStack, tmp_path: Path) -> None:
    assert not await lets_in(keyed.nats.url, None)
    assert not await lets_in(keyed.nats.url, NatsUsers(tmp_path).operator)
    assert await lets_in(keyed.nats.url, users(keyed).operator)


async def test_nats_user_of_a_worker_is_limited_to_its_route(worker: User) -> None:
    assert await worker.granted(refusals_of_worker(NAMESPACE, OTHER, "main")) == []


async def test_nats_user_of_a_gateway_cannot_manage_streams_or_act_as_a_worker(gateway: User) -> None:
    assert await gateway.granted(refusals_of_gateway(NAMESPACE, "main")) == []


async def test_nats_user_of_the_operator_cannot_read_requests_answers_or_keys(operator: User) -> None:
    assert await operator.granted(refusals_of_operator(NAMESPACE, "main")) == []


async def test_nats_users_rejected_operations_change_nothing(keyed: KeyedStack, worker: User, observer: User) -> None:
    jetstream = observer.client.jetstream()
    for stream in FIXED_STREAMS:
        await worker.publishes(f"$JS.API.STREAM.DELETE.{stream}")
        await worker.publishes(f"$JS.API.STREAM.PURGE.{stream}")
        assert (await jetstream.stream_info(stream)).config.name == stream
    with pytest.raises(NotFoundError):
        await jetstream.stream_info("NEW")
    keyed.main.answers(text_stream("still ", "here"))
    assert texts_of((await keyed.post("/api/chat", chat())).text) == "still here"


async def test_nats_user_of_a_worker_pulls_only_its_routes_requests(
    keyed: KeyedStack, worker: User, observer: User
) -> None:
    """Operations with a stolen token."""
    await keyed.apply(OTHER, keyed.spec(), ready=False)
    secret = subjects.request(NAMESPACE, "main", "tenant")
    await observer.client.jetstream().publish(subjects.request(NAMESPACE, OTHER, "tenant"), b"mine")
    inbox = worker.client.new_inbox()
    received: asyncio.Queue[bytes] = asyncio.Queue()

    async def receive(message: object) -> None:
        received.put_nowait(message.data)  # type: ignore[attr-defined]

    await worker.client.subscribe(inbox, cb=receive)
    pull = msgspec.json.encode({"batch": 1, "expires": 2_000_000_000})
    for route, allowed in ((OTHER, True), ("main", False)):
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{subjects.queue(NAMESPACE, route)}.{subjects.CONSUMER}"
        assert await worker.publishes(subject, pull, reply=inbox) is allowed
    assert await asyncio.wait_for(received.get(), ANSWER_S) == b"mine"
    assert not await worker.publishes(secret, b"")
    await keyed.remove(OTHER)


async def test_nats_user_reconnects_with_renewed_credentials(keyed: KeyedStack) -> None:
    """nats-py alone would be closed for good."""
    path = users(keyed).anybody("brief", ANYTHING, expires_in_s=2)
    connection = Connection(keyed.nats.url, "brief", inbox_prefix="_INBOX_brief", credentials=path)
    received: list[bytes] = []
    connects = 0

    async def connected() -> None:
        nonlocal connects
        connects += 1

    connection.on_connected(connected)
    connection.listen("penstock.test", lambda _subject, data: received.append(data))
    try:
        await connection.start()
        assert connects == 1
        await until(lambda: not connection.connected, "it is thrown out")
        users(keyed).anybody("brief", ANYTHING)

        async def echoes() -> bool:
            await connection.publish("penstock.test", b"again")
            return bool(received)

        await until(echoes, "it has reconnected, with its subscriptions")
        assert connects >= 2
    finally:
        await connection.close()


async def test_worker_reports_invalid_credentials_and_recovers_with_valid_ones(
    keyed: KeyedStack, tmp_path: Path
) -> None:
    path = tmp_path / "late.creds"
    worker = keyed.spawn_worker("main", {"PENSTOCK_NATS_CREDENTIALS": str(path)})
    try:
        await worker.logged("broker.credentials_unreadable", detail=f"{path}: No such file or directory")
        path.write_bytes(b"not yet")
        wrong = f"{path}: not a NATS credentials file, with a user's JWT and its seed"
        await worker.logged("broker.credentials_unreadable", detail=wrong)
        path.write_text(NatsUsers(tmp_path).keys.signing_key.of_workers(NAMESPACE, "main", "uid"))
        await worker.logged("broker.credentials_refused", credentials=str(path))
        path.write_text(users(keyed).keys.signing_key.of_workers(NAMESPACE, "main", "uid"))
        await worker.logged("worker.route_changed", present=True)
    finally:
        keyed.workers.remove(worker)
        keyed.processes.remove(worker)
        await worker.end()


async def test_nats_users_survive_a_rotation_and_a_second_one_revokes_the_first_keys(tmp_path: Path) -> None:
    made = NatsUsers(tmp_path)
    server = NatsServer(tmp_path, made)
    try:
        await server.listening()
        old = made.worker("team", "chat")
        for rotation, old_is_good in (("1", True), ("2", False)):
            await server.process.end()
            made.rotate(rotation)
            server = NatsServer(tmp_path, made)
            await server.listening()
            assert await lets_in(server.url, old) is old_is_good
            assert await lets_in(server.url, made.worker("team", "renewed"))
    finally:
        await server.process.end()
