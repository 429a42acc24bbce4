"""The kernel's state of a client's TCP connection: unacknowledged bytes, and if the client has gone.

An event loop detects a lost client by reading. It does not read while a pipelined request waits, nor after the client's
FIN. On systems other than Linux the state is unknown, and the next write detects a lost client.
"""

import array
import asyncio
import contextlib
import fcntl
import socket
import sys
from typing import cast

_LINUX = sys.platform == "linux"
_SIOCOUTQ = 0x5411
_CLOSE, _CLOSE_WAIT = 7, 8
KEEPALIVE_IDLE_S = 30
KEEPALIVE_EVERY_S = 10
KEEPALIVE_PROBES = 3


class TcpPeer:
    """The client side of one accepted connection."""

    __slots__ = ("_socket",)

    def __init__(self, transport: asyncio.BaseTransport) -> None:
        found: object = transport.get_extra_info("socket")
        # uvloop's replacement of a socket has the same methods.
        self._socket = cast("socket.socket", found) if hasattr(found, "getsockopt") else None
        self._keep_alive()

    @property
    def unacknowledged(self) -> int:
        """Bytes in the kernel's send queue, where they stay while the client does not read."""
        if self._socket is None or not _LINUX:
            return 0
        size = array.array("i", [0])
        try:
            fcntl.ioctl(self._socket.fileno(), _SIOCOUTQ, size)
        except (OSError, ValueError):
            return 0
        return size[0]

    @property
    def reset(self) -> bool:
        """True if the client's TCP stack has rejected our bytes, or has timed out."""
        return self._state() == _CLOSE

    @property
    def ended(self) -> bool:
        """True if the client has sent its FIN, read or not."""
        return self._state() == _CLOSE_WAIT

    def _state(self) -> int:
        if self._socket is None or not _LINUX:
            return 0
        try:
            return int(self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0])
        except (OSError, ValueError):
            return _CLOSE

    def _keep_alive(self) -> None:
        """A client whose machine or network is lost sends no FIN: TCP probes detect that while nothing is written."""
        if self._socket is None or not _LINUX:
            return
        options = (
            (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
            (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_S),
            (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_EVERY_S),
            (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES),
        )
        with contextlib.suppress(OSError):
            for option in options:
                self._socket.setsockopt(*option)
