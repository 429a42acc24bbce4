"""`GET /v1/streams/{id}/usage`: the usage record of a stream, for the key that began it; and the type of a model."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from harness.expect import error_of
from harness.keyed import KeyedStack
from harness.processes import until
from harness.provider_answers import text_stream, text_then_wait
from harness.route_spec import completion, provider, spec

pytestmark = pytest.mark.asyncio(loop_scope="module")

PRICES = {"inputPerMillion": "100", "outputPerMillion": "1000"}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def stack() -> AsyncIterator[KeyedStack]:
    async with KeyedStack(route=None) as stack:
        providers = [provider("main", stack.main.base_url, prices=PRICES)]
        models = [{"name": "main", "aliases": ["alias"]}, {"name": "vectors", "type": "Embedding"}]
        await stack.apply("main", spec(providers, models=models))
        await stack.start_worker("main")
        yield stack


async def usage(client: httpx.AsyncClient, id_: str) -> dict[str, Any]:
    answer = await client.get(f"/v1/streams/{id_}/usage")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize("headers", [{}, {"x-penstock-on-disconnect": "grace"}])
async def test_stream_usage_is_the_row_of_the_request(stack: KeyedStack, headers: dict[str, str]) -> None:
    stack.main.answers(text_stream("Hel", "lo"))
    answer = await stack.post("/v1/chat/completions", completion(stream=True), headers=headers)
    id_ = answer.headers["x-request-id"]

    async def ended() -> dict[str, Any] | None:
        found = await usage(stack.client, id_)
        return found if found["ended"] is not None else None

    found = await until(ended, "the row is written")

    assert found["first_token_s"] > 0
    assert found["duration_s"] >= found["first_token_s"]
    assert {name: found[name] for name in found if not name.endswith("_s")} == {
        "id": id_,
        "object": "stream.usage",
        "model": "main",
        "input_tokens": 3,
        "cached_input_tokens": 0,
        "output_tokens": 2,
        "estimated": False,
        "cost": "0.0023",
        "ended": "stop",
    }
    rows = (await stack.admin.get("/admin/usage/rows")).json()["rows"]
    assert [row["cost"] for row in rows if row["id"] == id_] == [found["cost"]]


async def test_stream_usage_of_an_open_stream_has_no_end(stack: KeyedStack) -> None:
    # Several: the first record is written a moment after the first event.
    for _ in range(20):
        stack.main.answers(text_then_wait("Hello"))
        async with stack.stream("/v1/chat/completions", completion(stream=True)) as reader:
            found = await usage(stack.client, reader.response.headers["x-request-id"])
        assert (found["model"], found["ended"]) == ("main", None)


async def test_stream_usage_is_not_shown_to_another_key(stack: KeyedStack) -> None:
    stack.main.answers(text_stream("Hello"))
    answer = await stack.post("/v1/chat/completions", completion(stream=True))
    path = f"/v1/streams/{answer.headers['x-request-id']}/usage"
    other = stack.with_key((await stack.create_key())["key"])

    error_of(await other.get(path), 404, "stream_not_found")
    error_of(await stack.client.get("/v1/streams/req_000000000000000000000000/usage"), 404, "stream_not_found")
    error_of(await stack.client.get("/v1/streams/nothing/usage"), 404, "stream_not_found")
    error_of(await stack.caller().get(path), 401, "invalid_api_key")


async def test_models_have_a_type(stack: KeyedStack) -> None:
    models = (await stack.client.get("/v1/models")).json()["data"]
    types = {model["id"]: model["type"] for model in models}
    assert [types[name] for name in ("main", "alias", "vectors")] == ["chat", "chat", "embedding"]
