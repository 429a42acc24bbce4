"""HTTP to a gateway byte by byte, for tests of what is on the wire."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator

import pytest
from harness.provider_answers import chunk
from harness.provider_call import Call

IMPATIENT = {
    "gateway_env": {
        "PENSTOCK_COMMIT_AFTER_S": "0.3",
        "PENSTOCK_PING_AFTER_S": "0.3",
        "PENSTOCK_WRITE_TIMEOUT_S": "1",
        "PENSTOCK_CLIENT_BUFFER_BYTES_MAX": "65536",
        "PENSTOCK_ANSWER_BYTES_MAX": "1048576",
    },
    "routing": {"retries": 0},
    "limits": {"firstTokenTimeoutSeconds": 1.2},
}
"""Options of a `Stack` with short timeouts."""
STREAMS = pytest.mark.parametrize("path", ["/api/chat", "/v1/chat/completions"], ids=["simple", "openai"])


class RawClient:
    """One TCP connection to a gateway; every byte of what comes back."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    @contextlib.asynccontextmanager
    async def connected(cls, port: int) -> AsyncIterator["RawClient"]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield cls(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def send(self, path: str, body: object, *, version: str = "1.1", headers: str = "") -> None:
        content = json.dumps(body).encode()
        head = f"POST {path} HTTP/{version}\r\nHost: localhost\r\nContent-Type: application/json\r\n{headers}"
        self.writer.write(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)

    async def head(self) -> str:
        return (await self.reader.readuntil(b"\r\n\r\n")).decode()

    async def chunks(self) -> list[bytes]:
        """A chunked body, chunk by chunk."""
        chunks = []
        while True:
            size = int(await self.reader.readuntil(b"\r\n"), 16)
            data_ = await self.reader.readexactly(size + 2)
            assert data_.endswith(b"\r\n")
            if size == 0:
                return chunks
            chunks.append(data_[:-2])


async def flood(call: Call) -> None:
    """A provider's answer without an end, faster than a client reads that does not."""
    await call.head()
    while not call.gone.is_set():
        await call.write(chunk("x" * 4096) * 16)
        await asyncio.sleep(0.001)


def same_for_all(body: str) -> str:
    """Without what is an answer's own: its id and its second. Pings come when they come."""
    return re.sub(r'("chatcmpl-[0-9a-f]+"|"created":\d+)', "_", body.replace(": ping\n\n", ""))
