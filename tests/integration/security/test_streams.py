"""Odd requests to `/v1/streams/{id}`: clear errors in the one shape, nothing of another key, never a 5xx."""

import asyncio
import collections
import contextlib
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from harness.keyed import FIRST_KEY, KeyedStack
from harness.provider_answers import DONE, chunk, finish, text_stream, text_then_wait
from harness.provider_call import Call
from harness.raw import small_buffer
from harness.read_again import WORDS, begin, closed_row, reconfigure, whole
from harness.route_spec import completion
from harness.stream_reader import StreamReader

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

PATH = "/v1/chat/completions"
UNKNOWN = "req_0123456789abcdef01234567"
PIECE = "x" * 65_536
MANY = 96
"""6 MiB: more than the buffers of gateway and kernels."""
DETACH = {"x-penstock-on-disconnect": "detach"}
ODD_IDS = {
    "short": "req_1",
    "a digit more": UNKNOWN + "0",
    "upper case": UNKNOWN.upper(),
    "other prefix": UNKNOWN.replace("req_", "resp_"),
    "wildcard": "*",
    "wildcard for a tag": "req_********0123456701234567",
    "rest wildcard": "req_>",
    "subject": "req_01234567.>",
    "line end": UNKNOWN + "%0a",
    "NUL": "req_%000123456789abcdef0123456",
    "other digits": "req_" + "%d9%a3" * 24,
    "no UTF-8": "req_%ff%fe",
    "dots": "%2e%2e",
    "long": "req_" + "a" * 4000,
    "percent": "%25s%25n",
}
ODD_POSITIONS = ["-1", "1.5", "1e3", "0x10", "x", "1,2", "9" * 16, "9" * 400, "+1", "١٢", "null"]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def keyed() -> AsyncIterator[KeyedStack]:
    async with KeyedStack() as stack:
        await reconfigure(stack, keep_seconds=60)
        yield stack
        for process in stack.processes:
            assert not [line for line in process.events() if line.get("level") == "error"]


async def ended(keyed: KeyedStack) -> str:
    """The id of a kept stream that has ended."""
    keyed.main.answers(text_stream(*WORDS))
    id_, _ = await begin(keyed.client, PATH, DETACH, 3)
    await closed_row(keyed, id_, "stop")
    return id_


async def running(keyed: KeyedStack) -> str:
    """The id of a detached stream without an end."""
    keyed.main.answers(text_then_wait("Hello"))
    id_, _ = await begin(keyed.client, PATH, DETACH, 1)
    return id_


def code_of(response: httpx.Response) -> str:
    code: str = response.json()["error"]["code"]
    assert response.json()["error"]["message"]
    return code


@pytest.mark.parametrize("id_", ODD_IDS.values(), ids=ODD_IDS)
async def test_gateway_answers_an_odd_id_as_an_unknown_stream(keyed: KeyedStack, id_: str) -> None:
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/usage")):
        response = await keyed.client.request(method, f"/v1/streams/{id_}{path}")
        assert response.status_code == 404, (method, path)
        assert code_of(response) in {"stream_not_found", "not_found"}
        assert len(response.content) < 1000


@pytest.mark.parametrize("position", ODD_POSITIONS)
async def test_gateway_refuses_a_position_that_is_no_number_of_events(keyed: KeyedStack, position: str) -> None:
    id_ = await ended(keyed)
    by_query = await keyed.client.get(f"/v1/streams/{id_}", params={"after": position})
    by_header = await keyed.client.get(f"/v1/streams/{id_}", headers={"last-event-id": position.encode()})
    assert (by_query.status_code, by_query.json()["error"]["param"]) == (400, "after")
    assert (by_header.status_code, by_header.json()["error"]["param"]) == (400, "last-event-id")


async def test_gateway_reads_the_position_of_the_query_before_that_of_the_header(keyed: KeyedStack) -> None:
    id_ = await ended(keyed)
    body = await whole(keyed.client, id_)
    both = await keyed.client.get(f"/v1/streams/{id_}?after=3", headers={"last-event-id": "20"})
    assert both.content == await whole(keyed.client, id_, 3)
    assert body.endswith(both.content)


@pytest.mark.parametrize("position", [10_000, 2**53])
async def test_gateway_has_nothing_after_the_end_of_a_stream(keyed: KeyedStack, position: int) -> None:
    assert await whole(keyed.client, await ended(keyed), position) == b""


@pytest.mark.parametrize("query", ["after=", "after=1&after=2", "unknown=1", "after[]=1", "%00=%00", "after=%ff"])
async def test_gateway_answers_an_odd_query_without_a_failure(keyed: KeyedStack, query: str) -> None:
    id_ = await ended(keyed)
    for method in ("GET", "DELETE"):
        response = await keyed.client.request(method, f"/v1/streams/{id_}?{query}")
        assert response.status_code < 500
        if response.status_code != 200:
            code_of(response)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_gateway_has_no_other_method_for_a_stream(keyed: KeyedStack, method: str) -> None:
    response = await keyed.client.request(method, f"/v1/streams/{UNKNOWN}", json={})
    assert (response.status_code, code_of(response)) == (405, "method_not_allowed")


async def test_gateway_answers_another_keys_stream_as_an_unknown_one(keyed: KeyedStack) -> None:
    id_ = await running(keyed)
    stranger = keyed.with_key((await keyed.create_key())["key"])
    elsewhere = keyed.with_key(FIRST_KEY, await keyed.another_gateway())
    strangers = keyed.with_key((await keyed.create_key())["key"], str(elsewhere.base_url))
    for client in (stranger, strangers):
        for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/usage")):
            other = await client.request(method, f"/v1/streams/{id_}{path}")
            unknown = await client.request(method, f"/v1/streams/{UNKNOWN}{path}")
            assert other.status_code == unknown.status_code == 404
            assert other.text.replace(id_, UNKNOWN) == unknown.text
    assert not keyed.main.calls[-1].peer_closed
    for client in (elsewhere, keyed.client):
        assert (await client.delete(f"/v1/streams/{id_}")).status_code == (200 if client is elsewhere else 404)


async def test_gateway_stops_a_stream_once_for_many_deletes_and_readers(keyed: KeyedStack) -> None:
    id_ = await running(keyed)
    elsewhere = keyed.with_key(FIRST_KEY, await keyed.another_gateway())
    clients = [keyed.client, elsewhere] * 8
    methods = ["DELETE", "DELETE", "GET", "GET"] * 4
    responses = await asyncio.gather(
        *(client.request(method, f"/v1/streams/{id_}") for client, method in zip(clients, methods, strict=True))
    )
    found: dict[str, collections.Counter[int]] = collections.defaultdict(collections.Counter)
    for method, response in zip(methods, responses, strict=True):
        found[method][response.status_code] += 1
        if response.status_code == 404:
            assert code_of(response) == "stream_not_found"
        elif method == "GET":
            assert '"code":"stopped"' in response.text
    assert set(found["DELETE"]) | set(found["GET"]) <= {200, 404}
    assert found["DELETE"][200] >= 1
    await keyed.main.calls[-1].left()
    await closed_row(keyed, id_, "stopped")
    assert [(await client.get(f"/v1/streams/{id_}")).status_code for client in clients[:2]] == [404, 404]


async def test_gateway_reads_a_stream_that_is_deleted_meanwhile_to_its_stop(keyed: KeyedStack) -> None:
    id_ = await running(keyed)
    async with keyed.client.stream("GET", f"/v1/streams/{id_}") as response:
        reader = StreamReader(response)
        assert "Hello" in await reader.event() or "Hello" in await reader.event()
        assert (await keyed.client.delete(f"/v1/streams/{id_}")).status_code == 200
        assert (await keyed.client.delete(f"/v1/streams/{id_}")).status_code == 404
        assert '"code":"stopped"' in await reader.rest()


def unread(keyed: KeyedStack, id_: str) -> contextlib.AbstractAsyncContextManager[asyncio.StreamReader]:
    """A reader of the stream; only the test reads its answer."""
    head = f"GET /v1/streams/{id_} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {FIRST_KEY}\r\n\r\n"
    return small_buffer(keyed.gateway_port, head.encode())


async def test_gateway_cuts_a_reader_that_never_reads_and_serves_the_other(keyed: KeyedStack) -> None:
    wanted: asyncio.Queue[None] = asyncio.Queue()

    async def answer(call: Call) -> None:
        await call.head()
        await call.write(chunk("Hello"))
        for _ in range(MANY):
            # As fast as the fast reader reads.
            await wanted.get()
            await call.write(chunk(PIECE))
        await call.write(finish() + DONE)
        await call.end()

    keyed.main.answers(answer)
    body = completion(stream=True)
    async with keyed.client.stream("POST", PATH, json=body, headers={"x-penstock-on-disconnect": "grace=30"}) as fast:
        reader = StreamReader(fast)
        while "Hello" not in await reader.event():
            pass
        async with unread(keyed, fast.headers["x-request-id"]) as slow:
            assert (await slow.readline()).startswith(b"HTTP/1.1 200")
            for _ in range(MANY):
                wanted.put_nowait(None)
                assert PIECE in await reader.event()
            assert (await reader.rest()).endswith("data: [DONE]\n\n")
            with contextlib.suppress(ConnectionResetError):
                taken = await slow.read()
                assert len(taken) < MANY * len(PIECE)
                assert not taken.endswith(b"0\r\n\r\n")
