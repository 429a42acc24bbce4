"""Requests a tunnel of an HTTP proxy (CONNECT, RFC 9110 §9.3.6) over a connected socket.

Also for `http` providers: the bytes after it are those of a direct connection, so nothing else of the worker depends on
the proxy.
"""

import asyncio
import socket
from typing import Final

from penstock_worker.upstream.egress_proxy import EgressProxy, ProxyRefused

RESPONSE_BYTES_MAX: Final = 16 * 1024


async def open_tunnel(proxy: EgressProxy, sock: socket.socket, authority: str) -> None:
    """Raises `OSError`; the socket stays open."""
    loop = asyncio.get_running_loop()
    lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
    if proxy.authorization:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    await loop.sock_sendall(sock, "\r\n".join([*lines, "", ""]).encode())
    head = b""
    while b"\r\n\r\n" not in head:
        data = await loop.sock_recv(sock, 4096)
        head += data
        if not data or len(head) > RESPONSE_BYTES_MAX:
            raise ProxyRefused("proxy_refused")
    status = head.split(b" ", 2)[1:2]
    # No byte of the provider can precede the client's first one, in TLS and in HTTP.
    if not (status and status[0].startswith(b"2") and head.endswith(b"\r\n\r\n")):
        raise ProxyRefused("proxy_auth" if status == [b"407"] else "proxy_refused")
