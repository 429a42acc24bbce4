"""A chat belongs to the key that began it; the broker's users may do what a chat's endpoints need."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from harness.keyed import KeyedStack
from harness.provider_answers import text_then_wait

pytestmark = pytest.mark.asyncio(loop_scope="module")

GRACE = {"x-penstock-on-disconnect": "grace=30"}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def keyed() -> AsyncIterator[KeyedStack]:
    async with KeyedStack(users=True) as stack:
        yield stack


def body(chat_id: str) -> dict[str, Any]:
    message = {"id": "a", "role": "user", "parts": [{"type": "text", "text": "hi"}]}
    return {"id": chat_id, "messages": [message], "trigger": "submit-message", "model": "main"}


@pytest.mark.parametrize("chat_id", ["mine", "a chat: *.>"])
async def test_chat_of_another_key_is_neither_read_nor_stopped(keyed: KeyedStack, chat_id: str) -> None:
    owner, other = [keyed.with_key((await keyed.create_key())["key"]) for _ in range(2)]
    keyed.main.reset()
    keyed.main.answers(text_then_wait("secret"))
    path = f"/api/chat/{chat_id}"

    async with owner.stream("POST", "/api/chat", json=body(chat_id), headers=GRACE) as first:
        async for data in first.aiter_bytes():
            if b"secret" in data:
                break
        assert (await other.get(f"{path}/stream")).status_code == 204
        assert (await other.post(f"{path}/stop")).status_code == 204
        assert (await keyed.caller().get(f"{path}/stream")).status_code == 401
        assert not keyed.main.calls[0].peer_closed

    async with owner.stream("GET", f"{path}/stream") as again:
        assert again.status_code == 200
        stopped = await owner.post(f"{path}/stop")
        assert b'"type":"abort"' in await again.aread()
    assert stopped.status_code == 200
    await asyncio.wait_for(keyed.main.calls[0].gone.wait(), 5)
