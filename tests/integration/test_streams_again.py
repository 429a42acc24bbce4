"""A stream is read again from any gateway, byte for byte, and stopped from any gateway."""

import asyncio

import pytest
from harness.gateway import Gateway
from harness.provider_answers import text_stream, text_then_wait
from harness.read_again import DOORS, END, GRACE, WORDS, begin, paced, reading, reconfigure, whole
from harness.route_spec import completion
from harness.stack import Stack
from harness.stream_reader import StreamReader

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("path", DOORS)
async def test_stream_is_read_on_at_another_gateway_byte_for_byte(stack: Stack, other: Gateway, path: str) -> None:
    go_on = asyncio.Event()
    stack.main.answers(paced(go_on))
    id_, read = await begin(stack.client, path, GRACE, 5)
    rest = asyncio.create_task(whole(other.client, id_, 5))
    again = asyncio.create_task(whole(stack.client, id_))
    go_on.set()
    bodies = await asyncio.gather(rest, again)
    assert read + bodies[0] == bodies[1]
    assert bodies[1].endswith(END.get(path, b"data: [DONE]\n\n"))
    assert all(word.strip().encode() in bodies[1] for word in WORDS)
    assert await whole(other.client, id_) == bodies[1]
    assert len(stack.main.calls) == 1
    await stack.gateway.logged("gateway.request_ended", request_id=id_)


@pytest.mark.parametrize("headers", [GRACE, {}])
async def test_stream_stopped_at_another_gateway_ends_for_every_reader(
    stack: Stack, other: Gateway, headers: dict[str, str]
) -> None:
    stack.main.answers(text_then_wait("Hello"))
    async with stack.client.stream("POST", DOORS[1], json=completion(stream=True), headers=headers) as response:
        first = StreamReader(response)
        await first.event()
        id_ = response.headers["x-request-id"]
        async with reading(stack.client, id_) as here, reading(other.client, id_) as there:
            answer = await other.client.delete(f"/v1/streams/{id_}")
            assert answer.json() == {"id": id_, "object": "stream", "deleted": True}
            await asyncio.gather(first.rest(), here.rest(), there.rest())
    assert first.raw == here.raw == there.raw
    assert b'"code":"stopped"' in first.raw
    await stack.main.calls[0].left()
    assert (await other.client.delete(f"/v1/streams/{id_}")).status_code == 404
    missing = await other.client.get(f"/v1/streams/{id_}")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "stream_not_found")


@pytest.mark.parametrize("asked", ["detach", "grace=31", "grace=", "later"])
async def test_policy_that_the_route_does_not_allow_is_refused(stack: Stack, asked: str) -> None:
    response = await stack.post(DOORS[1], completion(stream=True), headers={"x-penstock-on-disconnect": asked})
    error = response.json()["error"]
    assert (response.status_code, error["param"]) == (400, "x-penstock-on-disconnect")
    assert not stack.main.calls


async def test_streams_are_kept_found_and_stopped_with_the_brokers_permissions() -> None:
    async with Stack(users=True) as stack:
        directory = stack.directory / "other"
        directory.mkdir()
        async with Gateway.running(stack.nats.url, directory, **stack.gateway_user) as other:
            await other.has_model("main")
            await reconfigure(stack, keep_seconds=60)
            stack.main.answers(text_stream(*WORDS), text_then_wait("Hello"))
            id_, _ = await begin(stack.client, DOORS[1], {"x-penstock-on-disconnect": "detach"}, 3)
            body = await whole(other.client, id_)
            stack.worker.terminate()
            await stack.worker.exited()
            assert await whole(other.client, id_) == body
            await stack.start_worker()
            waiting = {"x-penstock-on-disconnect": "detach", "x-penstock-progress": "true"}
            id_, _ = await begin(stack.client, DOORS[1], waiting, 1)
            await stack.main.called(2)
            assert (await other.client.delete(f"/v1/streams/{id_}")).status_code == 200
            await stack.main.calls[1].left()
            refused = [
                line
                for process in (stack.gateway, other.process, *stack.workers)
                for line in process.events("broker.not_permitted")
            ]
            assert refused == []


@pytest.mark.parametrize(
    "id_", ["req_0123456789abcdef01234567", "req_1", "%2e%2e", "req_0123456789ABCDEF01234567", "*"]
)
async def test_stream_of_an_unknown_id_is_not_found(stack: Stack, id_: str) -> None:
    for method in ("GET", "DELETE"):
        response = await stack.client.request(method, f"/v1/streams/{id_}")
        assert (response.status_code, response.json()["error"]["code"]) == (404, "stream_not_found")


@pytest.mark.parametrize("after", ["-1", "1.5", "x", "9" * 17, "\u0663"])
async def test_stream_refuses_a_position_that_is_no_number(stack: Stack, after: str) -> None:
    response = await stack.client.get("/v1/streams/req_0123456789abcdef01234567", params={"after": after})
    assert (response.status_code, response.json()["error"]["param"]) == (400, "after")


async def test_stream_is_not_served_to_head_requests(stack: Stack) -> None:
    assert (await stack.client.head("/v1/streams/req_0123456789abcdef01234567")).status_code == 405
