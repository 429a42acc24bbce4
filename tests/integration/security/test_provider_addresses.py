"""A provider's address that leads back to this machine, its link or its cloud's metadata is not called."""

from urllib.parse import urlsplit

import pytest
from harness.expect import error_of
from harness.provider_answers import text_stream
from harness.provider_call import Call
from harness.route_spec import completion, provider
from harness.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

STACK = {"worker_env": {"PENSTOCK_ALLOWED_ADDRESSES": "127.0.0.9"}, "routing": {"retries": 0}}
HERE = [
    "127.0.0.1",
    "localhost",
    "0.0.0.0",
    "0",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:0:0:1]",
    "169.254.169.254",
    "[fe80::1]",
    "[64:ff9b::7f00:1]",
]


@pytest.mark.parametrize("host", HERE)
async def test_worker_rejects_every_spelling_of_a_local_address(stack: Stack, host: str) -> None:
    at = urlsplit(stack.main.base_url)
    await stack.reconfigure(providers=[provider("main", f"http://{host}:{at.port}{at.path}")])
    error = error_of(await stack.post("/v1/chat/completions", completion()), 502, "provider_unavailable")
    assert host not in error["message"]
    assert not stack.main.calls
    await stack.worker.logged("worker.address_refused")


@pytest.mark.parametrize("location", ["http://127.0.0.1:{port}/main/v1/chat/completions", "//169.254.169.254/latest"])
@pytest.mark.parametrize("status_", [301, 302, 303, 307, 308])
async def test_worker_does_not_follow_a_redirect(status_: int, location: str) -> None:
    async with Stack(routing={"retries": 0}) as stack:
        port = urlsplit(stack.main.base_url).port

        async def redirect(call: Call) -> None:
            await call.head(status_, {"location": location.format(port=port)}, length=0)
            call.finished = True

        stack.main.answers(redirect, text_stream("followed"))
        error_of(await stack.post("/v1/chat/completions", completion()), 502, "provider_unavailable")
        assert len(stack.main.calls) == 1


async def test_worker_calls_an_allowed_address(stack: Stack) -> None:
    at = urlsplit(stack.main.base_url)
    await stack.reconfigure(providers=[provider("main", f"http://127.0.0.9:{at.port}{at.path}")])
    # No process listens there, but on Linux all of 127/8 is local: the network rejects it, and not the worker.
    error_of(await stack.post("/v1/chat/completions", completion()), 502, "provider_unavailable")
    assert not stack.worker.events("worker.address_refused")
