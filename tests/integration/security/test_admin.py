"""The admin API: its own listener, its own token, bounds on everything, and a key that is shown once."""

import asyncio
import time
from typing import Any

import httpx
import pytest
from harness.expect import error_of
from harness.keyed import ADMIN_TOKEN, FIRST_KEY, KeyedStack
from harness.processes import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENDPOINTS: list[tuple[str, str, Any]] = [
    ("POST", "/admin/keys", {"name": "x"}),
    ("GET", "/admin/keys", None),
    ("GET", "/admin/keys/key_0123456789abcdef", None),
    ("DELETE", "/admin/keys/key_0123456789abcdef", None),
    ("POST", "/admin/keys/key_0123456789abcdef/rotate", {}),
    ("GET", "/admin/fleet", None),
    ("GET", "/admin/usage", None),
    ("GET", "/admin/usage/rows", None),
    ("GET", "/admin/usage.csv", None),
    ("GET", "/page/", None),
    ("GET", "/nowhere", None),
]
NOBODY = "key_0123456789abcdef"


@pytest.mark.parametrize(
    "headers",
    [{}, {"authorization": "Bearer wrong"}, {"authorization": f"Bearer {FIRST_KEY}"}, {"x-api-key": ADMIN_TOKEN[:-1]}],
    ids=["none", "wrong", "an API key", "cut short"],
)
async def test_admin_api_rejects_requests_without_the_token(keyed: KeyedStack, headers: dict[str, str]) -> None:
    stranger = keyed.caller(str(keyed.admin.base_url), headers)
    for method, path, body in ENDPOINTS:
        error_of(await stranger.request(method, path, json=body), 401, "invalid_api_key")
    assert len((await keyed.admin.get("/admin/keys")).json()["keys"]) >= 1


async def test_admin_token_is_no_key_and_the_gateway_has_no_admin_endpoints(keyed: KeyedStack) -> None:
    error_of(await keyed.with_key(ADMIN_TOKEN).get("/v1/models"), 401, "invalid_api_key")
    error_of(await keyed.client.get("/admin/keys"), 404, "not_found")
    error_of(await keyed.admin.post("/v1/chat/completions", json={}), 404, "not_found")


async def test_admin_listener_serves_metrics_without_the_token(keyed: KeyedStack) -> None:
    answer = await keyed.caller(str(keyed.admin.base_url)).get("/metrics")
    assert answer.status_code == 200
    assert "penstock_streams_in_flight" in answer.text


async def test_admin_api_returns_a_secret_once(keyed: KeyedStack) -> None:
    fields = {
        "name": "Ada's laptop",
        "expires_at": int(time.time()) + 3600,
        "routes": ["default.main"],
        "models": ["main", "gpt-*"],
        "limits": {"requests_per_minute": 60, "tokens_per_minute": 10_000, "concurrent_streams": 2},
        "budget": {"amount": "12.50", "period": "Month"},
        "metadata": {"team": "blue"},
    }
    answer = await keyed.admin.post("/admin/keys", json=fields)
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    made = answer.json()
    key = made.pop("key")
    assert key.startswith("sk-penstock-")
    assert key.endswith(made["hint"])
    assert made.items() >= {**fields, "budget": {**fields["budget"]}, "state": "active"}.items()  # type: ignore[dict-item]
    assert (await keyed.admin.get(f"/admin/keys/{made['id']}")).json() == made
    assert made in (await keyed.admin.get("/admin/keys")).json()["keys"]
    assert key not in keyed.logs()
    assert ADMIN_TOKEN not in keyed.logs()


BAD: list[tuple[dict[str, Any], str]] = [
    ({}, "name"),
    ({"name": ""}, "name"),
    ({"name": "x" * 101}, "name"),
    ({"name": "two\nlines"}, "name"),
    ({"name": "ends\n"}, "name"),
    ({"name": "\x1b[31mred"}, "name"),
    ({"name": "\x9b31m"}, "name"),
    ({"name": "right\u202eleft"}, "name"),
    ({"name": "x", "expires_at": 1}, "expires_at"),
    ({"name": "x", "expires_at": "tomorrow"}, "expires_at"),
    ({"name": "x", "models": ["a*b"]}, "models[0]"),
    ({"name": "x", "models": [""]}, "models[0]"),
    ({"name": "x", "models": ["m"] * 65}, "models"),
    ({"name": "x", "routes": ["a\n"]}, "routes[0]"),
    ({"name": "x", "limits": {"requests_per_minute": 0}}, "limits.requests_per_minute"),
    ({"name": "x", "limits": {"concurrent_streams": -1}}, "limits.concurrent_streams"),
    ({"name": "x", "limits": {"queue_share_percent": 101}}, "limits.queue_share_percent"),
    ({"name": "x", "budget": {"amount": "-1", "period": "Day"}}, "budget.amount"),
    ({"name": "x", "budget": {"amount": "1e9", "period": "Day"}}, "budget.amount"),
    ({"name": "x", "budget": {"amount": 1, "period": "Day"}}, "budget.amount"),
    ({"name": "x", "budget": {"amount": "1", "period": "Year"}}, "budget.period"),
    ({"name": "x", "metadata": {"a": "x" * 513}}, "metadata[...]"),
    ({"name": "x", "metadata": {str(number): "" for number in range(17)}}, "metadata"),
]


@pytest.mark.parametrize(("fields", "param"), BAD, ids=[f"{number} {param}" for number, (_, param) in enumerate(BAD)])
async def test_admin_api_rejects_an_invalid_field_by_name(
    keyed: KeyedStack, fields: dict[str, Any], param: str
) -> None:
    before = (await keyed.admin.get("/admin/keys")).json()
    error = error_of(await keyed.admin.post("/admin/keys", json=fields), 400, "invalid_request", param=param)
    assert param in error["message"]
    assert (await keyed.admin.get("/admin/keys")).json() == before


async def test_admin_api_rejects_an_unknown_field(keyed: KeyedStack) -> None:
    answer = await keyed.admin.post("/admin/keys", json={"name": "x", "limits": {"request_per_minute": 1}})
    assert "request_per_minute" in error_of(answer, 400, "invalid_request", param="limits")["message"]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[]", b"null", b'"x"'])
async def test_admin_api_rejects_a_body_that_is_no_object(keyed: KeyedStack, body: bytes) -> None:
    error_of(await keyed.admin.post("/admin/keys", content=body), 400, "invalid_request")


async def test_admin_api_rejects_a_large_body_with_413(keyed: KeyedStack) -> None:
    error_of(await keyed.admin.post("/admin/keys", json={"name": "x" * 70_000}), 413, "request_too_large")


@pytest.mark.parametrize(
    "key_id", [NOBODY, "x", "key_", f"{NOBODY}%0a", "key_*", "%3e", "..", "a.b", "%00", "key_" + "x" * 5000, "%ff"]
)
async def test_admin_api_returns_404_for_an_invalid_id(keyed: KeyedStack, key_id: str) -> None:
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/rotate")):
        answer = await keyed.admin.request(method, f"/admin/keys/{key_id}{path}", json={})
        assert answer.json()["error"]["code"] in {"key_not_found", "not_found", "method_not_allowed"}
        assert answer.status_code in {404, 405}


async def test_admin_api_rotation_keeps_the_old_secret_for_its_grace(keyed: KeyedStack) -> None:
    made = await keyed.create_key(models=["main"])
    answer = await keyed.admin.post(f"/admin/keys/{made['id']}/rotate", json={"grace_seconds": 2})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    rotated = answer.json()
    assert rotated["id"] == made["id"]
    assert rotated["key"] != made["key"]
    assert rotated["models"] == ["main"]
    new, old = keyed.with_key(rotated["key"]), keyed.with_key(made["key"])
    await until(lambda: _status_is(new, 200), "the new secret works")
    assert await _status_is(old, 200)
    listed = [key for key in (await keyed.admin.get("/admin/keys")).json()["keys"] if key["id"] == made["id"]]
    assert [key["hint"] for key in listed] == [rotated["hint"]]
    await until(lambda: _status_is(old, 401), "the old secret has expired")
    assert await _status_is(new, 200)


async def test_admin_api_rotation_without_grace_revokes_the_old_secret(keyed: KeyedStack) -> None:
    made = await keyed.create_key()
    assert (await keyed.admin.post(f"/admin/keys/{made['id']}/rotate", json={"grace_seconds": 0})).status_code == 200
    await until(lambda: _status_is(keyed.with_key(made["key"]), 401), "the old secret is refused", timeout_s=1)


@pytest.mark.parametrize("grace", [-1, 30 * 86_400 + 1, "x"])
async def test_admin_api_rejects_a_grace_out_of_bounds(keyed: KeyedStack, grace: Any) -> None:
    made = await keyed.create_key()
    answer = await keyed.admin.post(f"/admin/keys/{made['id']}/rotate", json={"grace_seconds": grace})
    error_of(answer, 400, "invalid_request", param="grace_seconds")


async def test_admin_api_revokes_all_secrets_of_a_key(keyed: KeyedStack) -> None:
    made = await keyed.create_key()
    rotated = (await keyed.admin.post(f"/admin/keys/{made['id']}/rotate", json={})).json()
    for _ in range(2):  # again is no error
        assert (await keyed.admin.delete(f"/admin/keys/{made['id']}")).json()["state"] == "revoked"
    for key in (made["key"], rotated["key"]):
        await until(lambda key=key: _status_is(keyed.with_key(key), 401), "it is refused", timeout_s=1)
    error_of(await keyed.admin.post(f"/admin/keys/{made['id']}/rotate", json={}), 409, "conflict")


async def test_admin_api_concurrent_rotation_and_revocation_ends_revoked(keyed: KeyedStack) -> None:
    for _ in range(10):
        made = await keyed.create_key()
        path = f"/admin/keys/{made['id']}"
        answers = await asyncio.gather(
            keyed.admin.post(f"{path}/rotate", json={}),
            keyed.admin.delete(path),
            keyed.admin.post(f"{path}/rotate", json={}),
        )
        assert answers[1].status_code == 200
        assert {answer.status_code for answer in answers} <= {200, 409}
        shown = await keyed.admin.get(path)
        assert shown.json().get("state") == "revoked", shown.text
        secrets = [made["key"], *(answer.json()["key"] for answer in answers if "key" in answer.json())]
        for secret in secrets:
            await until(lambda secret=secret: _status_is(keyed.with_key(secret), 401), "it is refused", timeout_s=1)


async def test_admin_api_concurrent_rotations_return_only_valid_secrets(keyed: KeyedStack) -> None:
    made = await keyed.create_key()
    rotating = [keyed.admin.post(f"/admin/keys/{made['id']}/rotate", json={"grace_seconds": 60}) for _ in range(5)]
    answers = await asyncio.gather(*rotating)
    assert {answer.status_code for answer in answers} <= {200, 409}
    secrets = [answer.json()["key"] for answer in answers if answer.status_code == 200]
    assert secrets
    for secret in secrets:
        await until(lambda secret=secret: _status_is(keyed.with_key(secret), 200), "it works")


async def test_first_key_that_was_revoked_stays_revoked_with_a_new_gateway() -> None:
    async with KeyedStack() as keyed:
        spare = await keyed.create_key()
        (first,) = [key for key in (await keyed.admin.get("/admin/keys")).json()["keys"] if key["name"] == "first"]
        assert (await keyed.admin.delete(f"/admin/keys/{first['id']}")).status_code == 200
        await until(lambda: _status_is(keyed.client, 401), "the first key is refused")
        await keyed.gateway.end()
        keyed.client.headers["authorization"] = f"Bearer {spare['key']}"
        await keyed.start_gateway()
        await until(lambda: _status_is(keyed.client, 200), "the new gateway accepts the keys")
        assert await _status_is(keyed.with_key(FIRST_KEY), 401)


async def test_first_key_that_was_rotated_stays_revoked_with_a_new_gateway() -> None:
    async with KeyedStack() as keyed:
        (first,) = [key for key in (await keyed.admin.get("/admin/keys")).json()["keys"] if key["name"] == "first"]
        for _ in range(2):  # the second time takes away what the first had let expire
            path = f"/admin/keys/{first['id']}/rotate"
            rotated = (await keyed.admin.post(path, json={"grace_seconds": 0})).json()
        keyed.client.headers["authorization"] = f"Bearer {rotated['key']}"
        await until(lambda: _status_is(keyed.client, 200), "the new secret works")
        await keyed.gateway.end()
        await keyed.start_gateway()
        await until(lambda: _status_is(keyed.client, 200), "the new gateway accepts the keys")
        made = await keyed.create_key()  # so that whatever a start does to the keys has been done
        assert await _status_is(keyed.with_key(made["key"]), 200)
        assert await _status_is(keyed.with_key(FIRST_KEY), 401)
        listed = (await keyed.admin.get("/admin/keys")).json()["keys"]
        assert [key["hint"] for key in listed if key["id"] == first["id"]] == [rotated["hint"]]


async def test_admin_api_reports_a_missing_broker_and_keys_stay_valid() -> None:
    async with KeyedStack() as keyed:
        keyed.nats.kill()
        await keyed.gateway.logged("broker.disconnected")
        error_of(await keyed.admin.get("/admin/keys"), 503, "broker_unavailable", retry_after=1)
        error_of(await keyed.admin.post("/admin/keys", json={"name": "x"}), 503, "broker_unavailable", retry_after=1)
        assert await _status_is(keyed.client, 200)
        assert await _status_is(keyed.with_key("sk-penstock-" + "x" * 44), 401)


async def _status_is(client: httpx.AsyncClient, status: int) -> bool:
    try:
        return (await client.get("/v1/models")).status_code == status
    except httpx.TransportError:
        return False
