"""A gateway on loopback without keys: a page in the user's browser must not use it."""

import pytest
from harness.expect import error_of
from harness.route_spec import chat
from harness.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXT = {"content-type": "text/plain"}
"""A request that a browser sends to any host without a preflight."""


@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost:1", "null", "file://"])
async def test_loopback_gateway_rejects_a_page_of_another_origin(stack: Stack, origin: str) -> None:
    answer = await stack.post("/api/chat", chat(), headers={"origin": origin, **TEXT})
    error_of(answer, 403, "origin_not_allowed")
    assert not stack.main.calls


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example"]
)
async def test_loopback_gateway_rejects_a_page_with_another_host_name(stack: Stack, host: str) -> None:
    for origin in ({}, {"origin": f"http://{host}"}):
        answer = await stack.post("/api/chat", chat(), headers={"host": host, **origin, **TEXT})
        assert "Host is localhost or an IP address" in error_of(answer, 403, "origin_not_allowed")["message"]
    assert not stack.main.calls


async def test_loopback_gateway_serves_programs_and_its_own_pages(stack: Stack) -> None:
    port = stack.gateway_port
    for headers in (
        {},
        {"origin": f"http://127.0.0.1:{port}"},
        {"host": f"localhost:{port}", "origin": f"http://localhost:{port}"},
        {"host": f"[::1]:{port}"},
        {"host": "192.168.1.7"},
    ):
        assert (await stack.post("/api/chat", chat(), headers=headers)).status_code == 200


async def test_loopback_gateway_has_no_admin_api_by_default(stack: Stack) -> None:
    error_of(await stack.client.get("/admin/keys"), 404, "not_found")


async def test_gateway_with_authentication_off_requires_no_key() -> None:
    # Behind a proxy that has its own: any Host, any Origin.
    async with Stack(gateway_env={"PENSTOCK_AUTHENTICATION": "off"}) as stack:
        headers = {"host": "llm.example.com", "origin": "https://app.example.com"}
        assert (await stack.post("/api/chat", chat(), headers=headers)).status_code == 200
