"""Constant headers, query parameters and fields of a provider's requests, over gateway, broker and worker."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from harness.expect import error_of
from harness.processes import until
from harness.provider_answers import stream, text_stream
from harness.provider_call import Call
from harness.route_spec import completion, provider
from harness.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRET = "s3cret-of-the-access-gateway"
FROM_SECRET = {"valueFrom": {"secretKeyRef": {"name": "access", "key": "client-secret"}}}
FROM_FILE = {"valueFrom": {"secretKeyRef": {"name": "mounted", "key": "token"}}}
HEADERS = [
    {"name": "http-referer", "value": "https://example.com/app"},
    {"name": "x-title", "value": "An app"},
    {"name": "cf-access-client-id", "value": "id.access"},
    {"name": "cf-access-client-secret", **FROM_SECRET},
]
QUERY = [{"name": "tenant", "value": "a b"}, {"name": "key", **FROM_SECRET}]
FIELDS = [
    {"name": "service_tier", "value": '"flex"'},
    {"name": "provider", "value": '{"zdr": true}'},
    {"name": "store", "value": "false"},
]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("keys")
    (directory / "mounted").mkdir()
    (directory / "mounted" / "token").write_text("mounted-first")
    return directory


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(keys: Path) -> AsyncIterator[Stack]:
    async with Stack(worker_env={"ACCESS_CLIENT_SECRET": SECRET, "PENSTOCK_KEYS_DIR": str(keys)}) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def stack(running: Stack) -> Stack:
    await running.reset()
    return running


async def added(stack: Stack, **fields: Any) -> None:
    await stack.reconfigure(providers=[provider("main", stack.main.base_url, **fields)], routing={"retries": 0})


async def test_worker_sends_the_routes_headers_query_and_fields(stack: Stack) -> None:
    await added(stack, headers=HEADERS, query=QUERY, set=FIELDS)

    response = await stack.post("/v1/chat/completions", completion())

    assert response.status_code == 200
    call = await stack.main.called()
    sent = {header["name"]: call.headers.get(header["name"]) for header in HEADERS}
    assert sent == {
        "http-referer": "https://example.com/app",
        "x-title": "An app",
        "cf-access-client-id": "id.access",
        "cf-access-client-secret": SECRET,
    }
    assert call.path == f"/main/v1/chat/completions?tenant=a%20b&key={SECRET}"
    assert call.headers["authorization"].startswith("Bearer ")
    assert call.headers["content-type"] == "application/json"
    assert (call.body["service_tier"], call.body["provider"], call.body["store"]) == ("flex", {"zdr": True}, False)


async def test_worker_prefers_the_clients_field_unless_the_route_drops_it(stack: Stack) -> None:
    await added(stack, set=FIELDS)
    await stack.post("/v1/chat/completions", completion(store=True))
    assert stack.main.calls[-1].body["store"] is True

    await added(stack, set=FIELDS, drop=["store"])
    response = await stack.post("/v1/chat/completions", completion(store=True))
    assert stack.main.calls[-1].body["store"] is False
    assert response.headers["x-penstock-ignored"] == "store"


async def test_gateway_redacts_a_header_secret_quoted_by_a_provider(stack: Stack) -> None:
    async def quoting(call: Call) -> None:
        secret = call.headers["cf-access-client-secret"]
        body = b'{"error":{"message":"header value %b is not valid","code":"bad"}}' % secret.encode()
        await call.head(400, {"content-type": "application/json"}, length=len(body))
        await call.write(body)
        await call.end()

    stack.main.answers(quoting)
    await added(stack, headers=HEADERS)

    error = error_of(await stack.post("/v1/chat/completions", completion()), 400, "provider_rejected")

    assert error["message"] == "header value [key] is not valid"
    assert SECRET not in stack.worker.log()


async def test_worker_rejects_a_missing_header_secret_without_a_call(stack: Stack) -> None:
    missing = {"valueFrom": {"secretKeyRef": {"name": "not", "key": "there"}}}
    await added(stack, headers=[{"name": "x-client-secret", **missing}])

    error = error_of(await stack.post("/v1/chat/completions", completion()), 502, "provider_auth_failed")

    assert "client" not in error["message"]
    assert not stack.main.calls


async def test_worker_sends_a_rotated_header_secret_without_a_restart(stack: Stack, keys: Path) -> None:
    async def judge(call: Call) -> None:
        if call.headers["x-access-token"] == "mounted-second":
            await text_stream("yes")(call)
            return
        await call.head(403, length=0)
        await call.end()

    stack.main.answers(judge)
    await added(stack, headers=[{"name": "x-access-token", **FROM_FILE}])

    def refusing() -> set[str]:
        return {name for beat in stack.heartbeats.values() for name in beat.refusing_keys}

    error_of(await stack.post("/v1/chat/completions", completion()), 502, "provider_auth_failed")
    await until(lambda: refusing() == {"main"}, "the heartbeat names the provider", timeout_s=3)

    (keys / "mounted" / "token").write_text("mounted-second")
    await until(lambda: refusing() == set(), "another secret is not known to be refused", timeout_s=4)

    assert (await stack.post("/v1/chat/completions", completion())).status_code == 200


@pytest.mark.parametrize("type_", ["Anthropic", "AzureOpenAI", "CloudflareWorkersAI"])
async def test_worker_sends_additions_to_every_provider_type(stack: Stack, type_: str) -> None:
    stack.main.answers(stream(b'data: {"type":"error","error":{"type":"invalid_request_error","message":"no"}}\n\n'))
    await added(stack, type=type_, headers=HEADERS, query=QUERY, set=FIELDS)

    await stack.post("/v1/chat/completions", completion())

    call = stack.main.calls[0]
    assert call.headers["cf-access-client-secret"] == SECRET
    assert call.path.endswith(f"?tenant=a%20b&key={SECRET}")
    assert call.body["service_tier"] == "flex"
