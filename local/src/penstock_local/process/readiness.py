"""Waits for the other processes: the broker's port to open, and the gateway's GET /ready to return 200."""

import asyncio
import contextlib

POLL_S = 0.02


async def broker(port: int) -> None:
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(POLL_S)


async def gateway(host: str, port: int) -> None:
    """Poll GET /ready without an HTTP client, whose import takes longer than the whole start."""
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(f"GET /ready HTTP/1.1\r\nhost: {host}:{port}\r\nconnection: close\r\n\r\n".encode())
            status = await reader.readline()
            writer.close()
            if b" 200 " in status:
                return
        await asyncio.sleep(POLL_S)
