"""Detects which half-closed client has gone: it may only have stopped sending (`printf … | nc -N`).

On the wire both look alike until something is written: a closed socket answers with RST, one that was shut for writing
takes the bytes. So after a short time, in which most answers begin anyway, bytes that every client ignores are written.
"""

import asyncio
from collections.abc import Callable

from penstock_gateway.server.tcp_peer import TcpPeer

ANSWER_S = 0.1
"""An answer that begins within this time needs no probe."""
RESET_S = 0.05
"""The client's RST arrives within this time after a probe."""
AGAIN_S = 5.0


class HalfClosed:
    """The check of one connection; `probe` writes. Aborts the connection of a client that has gone."""

    __slots__ = ("_loop", "_peer", "_probe", "_timer", "_transport", "begun")

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, peer: TcpPeer, probe: Callable[[], None]
    ) -> None:
        self._transport = transport
        self._loop = loop
        self._peer = peer
        self._probe = probe
        self._timer: asyncio.TimerHandle | None = None
        self.begun = False

    def begin(self) -> None:
        """The client has sent its FIN."""
        if not self.begun:
            self.begun = True
            self._timer = self._loop.call_later(ANSWER_S, self._write_probe)

    def cancel(self) -> None:
        """The connection is lost."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _write_probe(self) -> None:
        if not self._transport.is_closing():
            self._probe()
            self._timer = self._loop.call_later(RESET_S, self._check)

    def _check(self) -> None:
        if self._peer.reset:
            self._transport.abort()
        else:
            self._timer = self._loop.call_later(AGAIN_S, self._write_probe)
