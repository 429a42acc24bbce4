"""Heads of requests, byte by byte: framing, credentials, `/metrics` and `/health` by key, CORS of early errors."""

import pytest
from harness.expect import error_of
from harness.gateway import Gateway
from harness.keyed import FIRST_KEY, KeyedStack
from harness.processes import until
from harness.raw import raw
from harness.raw_completion import HOST, KEY, chunked, post

pytestmark = pytest.mark.asyncio(loop_scope="module")

ORIGIN = "app://obsidian.md"
STACK = {
    "gateway_env": {
        "PENSTOCK_CORS_ORIGINS": f"https://app.example.com, {ORIGIN}",
        "PENSTOCK_CONNECTIONS_MAX": "40",
        "PENSTOCK_KEYLESS_KEEP_ALIVE_S": "1",
        "PENSTOCK_HEADER_TIMEOUT_S": "2",
        "PENSTOCK_BODY_TIMEOUT_S": "2",
        "PENSTOCK_BODY_BYTES_MAX": "65536",
    }
}
UNFIT = {
    "an unknown coding before chunked": (chunked(b"gzip, chunked"), 501, "unsupported_transfer_coding"),
    "two coding headers": (chunked(b"gzip\r\ntransfer-encoding: chunked"), 501, "unsupported_transfer_coding"),
    "chunked not last": (chunked(b"chunked, gzip"), 400, "invalid_request"),
    "chunked in HTTP/1.0": (chunked(b"chunked", b"1.0"), 400, "invalid_request"),
    "no host": (post(headers=b""), 400, "invalid_request"),
    "two hosts": (post(headers=HOST * 2), 400, "invalid_request"),
    "two different hosts": (post(headers=HOST + b"Host: other\r\n"), 400, "invalid_request"),
    "a compressed body": (post(headers=HOST + b"content-encoding: gzip\r\n"), 415, "unsupported_content_encoding"),
    "too many headers": (post(headers=HOST + b"a: b\r\n" * 300), 431, "headers_too_large"),
}


@pytest.mark.parametrize(("request_", "status", "code"), UNFIT.values(), ids=UNFIT)
async def test_gateway_rejects_an_ambiguous_request_head(
    keyed: KeyedStack, request_: bytes, status: int, code: str
) -> None:
    async with raw(keyed.gateway_port) as client:
        await client.send(request_)
        error_of(await client.answer(), status, code)
        assert await client.closed()
    assert not keyed.main.calls


@pytest.mark.parametrize("headers", [HOST, HOST + b"content-encoding: identity\r\n", HOST + b"a: b\r\n" * 200])
async def test_gateway_serves_usual_request_heads(keyed: KeyedStack, headers: bytes) -> None:
    async with raw(keyed.gateway_port) as client:
        await client.send(post(headers=headers))
        assert (await client.answer()).status_code == 200
        await client.send(chunked(b"Chunked"))
        assert (await client.answer()).status_code == 200


@pytest.mark.parametrize("path", ["/nowhere/", "/v1/models/"])
async def test_gateway_repeats_only_the_start_of_a_long_path_in_an_error(keyed: KeyedStack, path: str) -> None:
    answer = await keyed.client.get(path + "x" * 60_000)
    assert answer.status_code == 404
    assert "xxx" in answer.text
    assert len(answer.content) < 600


async def test_gateway_answers_head_like_get_without_a_body(keyed: KeyedStack) -> None:
    for path in ("/v1/models", "/v1/models/main", "/health", "/ready", "/metrics"):
        head, get = await keyed.client.head(path), await keyed.client.get(path)
        assert (head.status_code, head.content) == (200, b""), path
        if path.startswith("/v1"):
            assert head.headers["content-length"] == get.headers["content-length"]
    assert (await keyed.client.head("/nowhere")).status_code == 404
    assert (await keyed.client.head("/v1/chat/completions")).status_code == 405
    assert (await keyed.caller().head("/v1/models")).status_code == 401


# Permissions


@pytest.mark.parametrize("restriction", [{"models": ["main"]}, {"routes": ["default.main"]}])
async def test_gateway_hides_metrics_from_a_key_without_every_model(
    keyed: KeyedStack, restriction: dict[str, list[str]]
) -> None:
    assert (await keyed.client.get("/metrics")).status_code == 200
    client = keyed.with_key((await keyed.create_key(**restriction))["key"])
    refused, absent = await client.get("/metrics"), await client.get("/metricz")
    error_of(refused, 404, "not_found")
    assert refused.text == absent.text.replace("metricz", "metrics")
    unrestricted = keyed.with_key((await keyed.create_key(limits={"requests_per_minute": 9}))["key"])
    assert "penstock_errors_total" in (await unrestricted.get("/metrics")).text


async def test_gateway_shows_versions_in_health_only_to_a_valid_key(keyed: KeyedStack) -> None:
    assert (await keyed.caller().get("/health")).json() == {"status": "ok", "runtime": "penstock"}
    assert (await keyed.with_key("sk-penstock-wrong").get("/health")).json()["runtime"] == "penstock"
    assert (await keyed.client.get("/health")).json()["runtime"].startswith("penstock/")
    assert "python" not in (await keyed.caller(str(keyed.admin.base_url)).get("/health")).text


async def test_admin_metrics_on_loopback_reject_a_page_with_another_host_name(keyed: KeyedStack) -> None:
    admin = keyed.caller(str(keyed.admin.base_url))
    assert (await admin.get("/metrics")).status_code == 200
    assert (await admin.get("/metrics", headers={"host": "rebound.example.com"})).status_code == 403
    assert (await admin.get("/metrics", headers={"origin": "https://page.example.com"})).status_code == 403


@pytest.mark.parametrize("name", ["api-key", "x-api-key", "authorization"])
async def test_gateway_reads_a_key_in_three_headers(keyed: KeyedStack, name: str) -> None:
    value = f"bearer  {FIRST_KEY}" if name == "authorization" else FIRST_KEY
    assert (await keyed.caller().get("/v1/models", headers={name: value})).status_code == 200


async def test_gateway_rejects_two_different_credentials_with_the_setting(keyed: KeyedStack) -> None:
    """Two servers could read different ones (RFC 9110 §11); earendil-works/pi PR #4339."""
    both = {"authorization": "Bearer eyJhbGciOi.of.a-proxy", "api-key": FIRST_KEY}
    answer = await keyed.caller().get("/v1/models", headers=both)
    assert "PENSTOCK_KEY_HEADERS" in error_of(answer, 401, "invalid_api_key")["message"]
    same = {"authorization": f"Bearer {FIRST_KEY}", "api-key": FIRST_KEY, "x-api-key": FIRST_KEY}
    assert (await keyed.caller().get("/v1/models", headers=same)).status_code == 200


async def test_gateway_ignores_authorization_behind_an_identity_aware_proxy(keyed: KeyedStack) -> None:
    environ = {"PENSTOCK_AUTHENTICATION": "required", "PENSTOCK_KEY_HEADERS": "x-api-key, API-Key"}
    async with Gateway.running(keyed.nats.url, keyed.directory, **environ) as gateway:
        proxied = {"authorization": "Bearer eyJhbGciOi.of.a-proxy", "x-api-key": FIRST_KEY}

        async def served() -> bool:
            return (await gateway.client.get("/v1/models", headers=proxied)).status_code == 200

        await until(served, "the key beside the proxy's token is read")
        alone = {"authorization": f"Bearer {FIRST_KEY}"}
        assert (await gateway.client.get("/v1/models", headers=alone)).status_code == 401


async def test_admin_api_rejects_a_key_name_that_looks_like_another(keyed: KeyedStack) -> None:
    for fields in ({"name": "Ada\u200b"}, {"name": "\u061cAda"}, {"name": "Ada", "models": ["gpt\u00ad-4"]}):
        answer = await keyed.admin.post("/admin/keys", json=fields)
        assert "invisible" in error_of(answer, 400, "invalid_request", param=list(fields)[-1])["message"]


# CORS


@pytest.mark.parametrize("origin", [ORIGIN, "https://app.example.com"])
async def test_gateway_sends_cors_headers_with_errors_before_the_application(keyed: KeyedStack, origin: str) -> None:
    """Fetch §4.10: without the header a page cannot read the status; EOSIO/eos #7446."""
    named = f"origin: {origin}\r\n".encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST
    for sent, status in (
        (head + named + b"x-long: " + b"x" * 100_000 + b"\r\n\r\n", 431),
        (head + b"x-long: " + b"x" * 66_000 + b"\r\n" + named + b"\r\n", 431),
        (head + named + KEY + b"content-length: 9\r\n\r\n{", 408),
        (head + named, 408),
        (head + named + KEY + b"content-length: 900000\r\n\r\n" + b"x" * 900_000, 413),
        (head + named + b"content-encoding: br\r\n\r\n", 415),
    ):
        async with raw(keyed.gateway_port) as client:
            await client.send(sent)
            answer = await client.answer()
            assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (status, origin)
            assert "retry-after" in answer.headers["access-control-expose-headers"]
    async with raw(keyed.gateway_port) as client:
        await client.send(head + b"origin: https://other.example.com\r\ncontent-encoding: br\r\n\r\n")
        assert "access-control-allow-origin" not in (await client.answer()).headers


async def test_gateway_answers_the_preflight_of_an_app_of_an_allowed_origin(keyed: KeyedStack) -> None:
    requested = {"origin": ORIGIN, "access-control-request-method": "POST"}
    answer = await keyed.caller().options("/v1/chat/completions", headers=requested)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, ORIGIN)
