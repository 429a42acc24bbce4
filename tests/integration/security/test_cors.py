"""Which pages of which origins may use the API from a browser."""

import pytest
from harness.expect import error_of, ids_of
from harness.keyed import KeyedStack
from harness.route_spec import chat, completion

pytestmark = pytest.mark.asyncio(loop_scope="module")

STACK = {"gateway_env": {"PENSTOCK_CORS_ORIGINS": "https://app.example.com, http://localhost:3000"}}
FRIEND = "https://app.example.com"
FOREIGN = [
    "https://evil.example",
    "http://app.example.com",
    "https://app.example.com:8443",
    "https://app.example.com.evil.example",
    "https://evilapp.example.com",
    "null",
    "",
    "*",
]
PREFLIGHT = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,x-stainless-os"}


@pytest.mark.parametrize("origin", [FRIEND, "http://localhost:3000"])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/chat", "/v1/models", "/nowhere"])
async def test_cors_answers_an_allowed_origins_preflight_without_a_key(
    keyed: KeyedStack, origin: str, path: str
) -> None:
    answer = await keyed.caller().options(path, headers={"origin": origin, **PREFLIGHT})
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == origin
    assert answer.headers["access-control-allow-methods"] == "GET, POST, DELETE"
    assert answer.headers["access-control-allow-headers"] == "authorization,x-stainless-os"
    assert "origin" in answer.headers["vary"]
    assert "access-control-allow-credentials" not in answer.headers
    ids_of(answer)


async def test_cors_exposes_answers_errors_and_ids_to_an_allowed_origin(keyed: KeyedStack) -> None:
    answers = [
        await keyed.client.post("/v1/chat/completions", json=completion(), headers={"origin": FRIEND}),
        await keyed.client.post("/v1/chat/completions", json=completion(stream=True), headers={"origin": FRIEND}),
        await keyed.client.post("/api/chat", json=chat(), headers={"origin": FRIEND}),
        await keyed.client.post("/api/chat", json={}, headers={"origin": FRIEND}),
        await keyed.caller().get("/v1/models", headers={"origin": FRIEND}),
        await keyed.client.get("/nowhere", headers={"origin": FRIEND}),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 400, 401, 404]
    for answer in answers:
        assert answer.headers.get_list("access-control-allow-origin") == [FRIEND]
        assert answer.headers["vary"] == "origin"
        exposed = answer.headers["access-control-expose-headers"].split(", ")
        assert {"x-request-id", "retry-after", "x-ratelimit-remaining-requests"} <= set(exposed)


@pytest.mark.parametrize("origin", FOREIGN)
async def test_cors_sends_no_headers_to_a_foreign_origin(keyed: KeyedStack, origin: str) -> None:
    refused = await keyed.caller().options("/v1/chat/completions", headers={"origin": origin, **PREFLIGHT})
    error_of(refused, 403, "origin_not_allowed")
    read = await keyed.client.get("/v1/models", headers={"origin": origin})
    for answer in (refused, read):
        assert not [name for name in answer.headers if name.startswith("access-control-")]


async def test_cors_does_not_repeat_long_header_lists(keyed: KeyedStack) -> None:
    requested = PREFLIGHT | {"access-control-request-headers": ",".join(["x"] * 5000)}
    answer = await keyed.caller().options("/v1/models", headers={"origin": FRIEND, **requested})
    assert answer.status_code == 204
    assert "access-control-allow-headers" not in answer.headers


async def test_cors_is_absent_on_the_admin_api(keyed: KeyedStack) -> None:
    answer = await keyed.admin.options("/admin/keys", headers={"origin": FRIEND, **PREFLIGHT})
    assert not [name for name in answer.headers if name.startswith("access-control-")]
