"""Authentication at every endpoint: no key, a wrong, expired or foreign one; and the time until a revocation works."""

import asyncio
import hashlib
import json
import time
from typing import Any

import httpx
import openai
import pytest
from harness.expect import error_of
from harness.keyed import FIRST_KEY, KeyedStack
from harness.processes import until
from harness.provider_answers import text_stream
from harness.route_spec import chat, completion
from nats.aio.msg import Msg

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENDPOINTS: list[tuple[str, str, Any]] = [
    ("POST", "/api/chat", chat()),
    ("POST", "/api/generate", {"prompt": "x"}),
    ("POST", "/api/embed", {"text": "x"}),
    ("POST", "/v1/chat/completions", completion()),
    ("POST", "/v1/embeddings", {"model": "main", "input": "x"}),
    ("GET", "/v1/models", None),
    ("GET", "/v1/models/main", None),
    ("GET", "/metrics", None),
    ("GET", "/nowhere", None),
    ("POST", "/v1/nowhere", {}),
    ("DELETE", "/api/chat", None),
    ("GET", "/health/", None),
    ("GET", "//health", None),
    ("GET", "/admin/keys", None),
]
EVERY_ENDPOINT = pytest.mark.parametrize(
    ("method", "path", "body"), ENDPOINTS, ids=[f"{m} {p}" for m, p, _ in ENDPOINTS]
)
STRANGERS = [
    ({}, "no API key"),
    ({"authorization": ""}, "no API key"),
    ({"authorization": "Bearer"}, "no API key"),
    ({"authorization": "Basic c2s6eA=="}, "no API key"),
    ({"authorization": f"bearer {FIRST_KEY}x"}, "not valid"),
    ({"authorization": f"Bearer {FIRST_KEY[:-1]}X"}, "not valid"),
    ({"authorization": "Bearer " + "x" * 10_000}, "not valid"),
    ({"authorization": "Bearer \xe9\xff"}, "not valid"),
    ({"x-api-key": hashlib.sha256(FIRST_KEY.encode()).hexdigest()}, "not valid"),
    ({"authorization": f"Bearer {FIRST_KEY}", "x-api-key": "another"}, "more than one"),
]


@EVERY_ENDPOINT
async def test_gateway_rejects_every_endpoint_without_a_key(
    keyed: KeyedStack, method: str, path: str, body: Any
) -> None:
    response = await keyed.caller().request(method, path, json=body)
    error = error_of(response, 401, "invalid_api_key")
    assert error["type"] == "invalid_request_error"
    assert response.headers["www-authenticate"] == 'Bearer realm="penstock"'
    assert response.headers["x-should-retry"] == "false"
    assert not keyed.main.calls


@pytest.mark.parametrize(("headers", "reason"), STRANGERS, ids=[str(number) for number in range(len(STRANGERS))])
async def test_gateway_rejects_every_endpoint_with_a_wrong_key(
    keyed: KeyedStack, headers: dict[str, str], reason: str
) -> None:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    for method, path, body in ENDPOINTS:
        response = await keyed.caller().request(method, path, json=body, headers=httpx.Headers(raw))
        error = error_of(response, 401, "invalid_api_key")
        assert reason in error["message"]
        assert "Bearer" in response.headers["www-authenticate"]
        assert not any(len(value) > 20 and value.split()[-1] in response.text for value in headers.values())
    assert not keyed.main.calls


async def test_gateway_accepts_a_key_in_both_headers(keyed: KeyedStack) -> None:
    for headers in ({"authorization": f"bearer  {FIRST_KEY}"}, {"x-api-key": FIRST_KEY}):
        assert (await keyed.caller(headers=headers).post("/api/chat", json=chat())).status_code == 200
    both = {"authorization": f"Bearer {FIRST_KEY}", "x-api-key": FIRST_KEY}
    assert (await keyed.caller(headers=both).get("/v1/models")).status_code == 200
    proxied = {"authorization": "Basic cHJveHk6eA==", "x-api-key": FIRST_KEY}
    assert (await keyed.caller(headers=proxied).get("/v1/models")).status_code == 200


@pytest.mark.parametrize("path", ["/health", "/ready", "/schema/openapi.json"])
async def test_gateway_serves_probes_and_documentation_without_a_key(keyed: KeyedStack, path: str) -> None:
    assert (await keyed.caller().get(path)).status_code == 200


async def test_openai_sdk_raises_authentication_error_for_a_wrong_key(keyed: KeyedStack) -> None:
    async with openai.AsyncOpenAI(base_url=f"{keyed.url}/v1", api_key="sk-wrong") as client:
        with pytest.raises(openai.AuthenticationError) as refused:
            await client.chat.completions.create(model="main", messages=[{"role": "user", "content": "hi"}])
        assert refused.value.code == "invalid_api_key"
    async with openai.AsyncOpenAI(base_url=f"{keyed.url}/v1", api_key=FIRST_KEY) as client:
        answer = await client.chat.completions.create(model="main", messages=[{"role": "user", "content": "hi"}])
        assert answer.choices[0].message.content == "Hello"


async def test_key_that_expires_is_rejected_on_an_open_connection(keyed: KeyedStack) -> None:
    made = await keyed.create_key(expires_at=int(time.time()) + 2)
    client = keyed.with_key(made["key"])

    async def refused() -> httpx.Response | None:
        response = await client.post("/api/chat", json=chat())
        return response if response.status_code == 401 else None

    assert (await client.post("/api/chat", json=chat())).status_code == 200
    error = error_of(await until(refused, "the key has expired"), 401, "invalid_api_key")
    assert error["message"] == "the API key has expired"
    assert (await keyed.admin.get(f"/admin/keys/{made['id']}")).json()["state"] == "expired"


async def test_key_that_is_revoked_is_rejected_by_every_gateway_within_a_second(
    keyed: KeyedStack, capsys: pytest.CaptureFixture[str]
) -> None:
    urls = [keyed.url, await keyed.another_gateway()]
    made = await keyed.create_key()
    clients = [keyed.with_key(made["key"], url) for url in urls]
    for client in clients:
        assert (await client.get("/v1/models")).status_code == 200
    connections = [_connections(client) for client in clients]

    assert (await keyed.admin.delete(f"/admin/keys/{made['id']}")).json()["state"] == "revoked"
    revoked_at = time.monotonic()

    async def refused(client: httpx.AsyncClient) -> float:
        await until(lambda: _status_is(client, 401), "the revoked key is refused")
        return time.monotonic() - revoked_at

    took = await asyncio.gather(*(refused(client) for client in clients))
    with capsys.disabled():
        print("\nrevoked key refused after", ", ".join(f"{seconds * 1000:.0f} ms" for seconds in took))  # noqa: T201 - a number of the issue
    assert max(took) <= 1.0
    assert [_connections(client) for client in clients] == connections, "not the same connection"
    for client in clients:
        for method, path, body in ENDPOINTS:
            error = error_of(await client.request(method, path, json=body), 401, "invalid_api_key")
            assert error["message"] == "the API key was revoked"


async def test_key_store_contains_no_usable_key(keyed: KeyedStack) -> None:
    made = await keyed.create_key()
    bucket = await keyed.connection.client.jetstream().key_value("keys")
    stolen = {name: (await bucket.get(name)).value or b"" for name in await bucket.keys()}
    assert any(made["id"].encode() in value for value in stolen.values())
    whole = b"".join([*(name.encode() for name in stolen), *stolen.values()]).decode()
    assert made["key"] not in whole
    assert made["key"].removeprefix("sk-penstock-") not in whole
    assert FIRST_KEY not in whole
    for name, value in stolen.items():
        record = json.loads(value)
        hash_ = record["hash"]
        for attempt in (name, hash_, f"sk-penstock-{hash_}", f"sk-penstock-{hash_[:44]}", *_texts(record)):
            error_of(await keyed.with_key(attempt).get("/v1/models"), 401, "invalid_api_key")
            error_of(await keyed.caller(headers={"x-api-key": attempt}).get("/v1/models"), 401, "invalid_api_key")


async def test_key_record_under_a_wrong_hash_is_rejected(keyed: KeyedStack) -> None:
    made = await keyed.create_key()
    bucket = await keyed.connection.client.jetstream().key_value("keys")
    mine = "sk-penstock-" + "m" * 44
    own_hash = hashlib.sha256(mine.encode()).hexdigest()
    theirs = (await bucket.get(f"{made['id']}.{hashlib.sha256(made['key'].encode()).hexdigest()}")).value
    assert theirs is not None
    await bucket.put(f"{made['id']}.{own_hash}", theirs)
    await keyed.gateway.logged("keys.record_misplaced")
    error_of(await keyed.with_key(mine).get("/v1/models"), 401, "invalid_api_key")
    await bucket.delete(f"{made['id']}.{own_hash}")


async def test_key_lists_and_uses_only_its_models(keyed: KeyedStack) -> None:
    await keyed.reconfigure(models=["main", {"name": "hidden", "aliases": ["veiled"]}])
    made = await keyed.create_key(models=["main"])
    client = keyed.with_key(made["key"])
    assert [model["id"] for model in (await client.get("/v1/models")).json()["data"]] == ["main"]
    assert (await client.post("/v1/chat/completions", json=completion())).status_code == 200
    missing = await client.post("/v1/chat/completions", json=completion() | {"model": "nobody"})
    for hidden in ("hidden", "veiled"):
        hidden_error = error_of(await client.get(f"/v1/models/{hidden}"), 404, "model_not_found", param="model")
        answers = [
            await client.post("/v1/chat/completions", json=completion() | {"model": hidden}),
            await client.post("/v1/embeddings", json={"model": hidden, "input": "x"}),
            await client.post("/api/chat", json=chat(model=hidden)),
            await client.post("/api/generate", json={"prompt": "x", "model": hidden}),
            await client.post("/api/embed", json={"text": "x", "model": hidden}),
        ]
        for answer in answers:
            error = error_of(answer, 404, "model_not_found", param="model")
            assert error == hidden_error
            # Exactly the answer of a model that does not exist.
            assert answer.text.replace(hidden, "nobody") == missing.text


async def test_key_of_another_route_gets_nothing_of_this_route(keyed: KeyedStack) -> None:
    made = await keyed.create_key(routes=["default.other", "team-*"])
    client = keyed.with_key(made["key"])
    assert (await client.get("/v1/models")).json()["data"] == []
    error_of(await client.post("/v1/chat/completions", json=completion()), 404, "model_not_found", param="model")
    error_of(await client.post("/api/chat", json=chat()), 404, "model_not_found", param="model")


async def test_key_without_permission_gets_404_for_a_route_that_is_not_ready(keyed: KeyedStack) -> None:
    made = await keyed.create_key(models=["something-else"])
    await keyed.apply("main", keyed.spec("main"), ready=False, reason="a secret reason")
    await until(lambda: _chat_status_is(keyed.client, 503), "the gateway has the route's state")
    answer = await keyed.with_key(made["key"]).post("/v1/chat/completions", json=completion())
    error_of(answer, 404, "model_not_found", param="model")
    assert "secret" not in answer.text
    await keyed.reconfigure()


async def test_key_id_is_logged_and_its_secret_is_not(keyed: KeyedStack) -> None:
    made = await keyed.create_key(name="Ada \\ “quoted” > *.subject")
    keyed.main.answers(text_stream("secret answer"))
    subjects: list[str] = []

    async def receive(message: Msg) -> None:
        subjects.append(message.subject)

    subscription = await keyed.connection.client.subscribe("penstock.requests.>", cb=receive)
    answer = await keyed.with_key(made["key"]).post("/api/chat", json=chat("secret prompt"))
    assert answer.status_code == 200
    await until(lambda: subjects, "the request was queued")
    await subscription.unsubscribe()
    assert subjects == [f"penstock.requests.default.main.{made['id']}"]
    await keyed.gateway.logged("gateway.request_ended", key_id=made["id"])
    logged = keyed.logs()
    for secret in (made["key"], hashlib.sha256(made["key"].encode()).hexdigest(), "secret answer", "secret prompt"):
        assert secret not in logged


async def test_keys_survive_restarts_of_broker_and_gateway() -> None:
    async with KeyedStack() as keyed:
        made = await keyed.create_key()
        client = keyed.with_key(made["key"])
        keyed.nats.kill()
        await keyed.restart_nats()
        assert (await client.get("/v1/models")).status_code == 200
        keyed.gateway.kill()
        await keyed.start_gateway()
        await until(lambda: _status_is(client, 200), "the new gateway accepts the key")


async def _status_is(client: httpx.AsyncClient, status: int) -> bool:
    try:
        return (await client.get("/v1/models")).status_code == status
    except httpx.TransportError:
        return False


async def _chat_status_is(client: httpx.AsyncClient, status: int) -> bool:
    return (await client.post("/v1/chat/completions", json=completion())).status_code == status


def _connections(client: httpx.AsyncClient) -> list[int]:
    """The sockets that `client` holds open."""
    pool = client._transport._pool  # type: ignore[attr-defined]
    streams = [connection._connection._network_stream for connection in pool.connections]
    return [stream.get_extra_info("socket").fileno() for stream in streams]


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for inner in value.values() for text in _texts(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in _texts(inner)]
    return [value] if isinstance(value, str) and value.isascii() and value else []
