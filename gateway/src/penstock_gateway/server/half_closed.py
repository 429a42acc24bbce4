"""A client that has sent its FIN: it may only have stopped sending (`printf … | nc -N`), or it is gone.

On the wire both look alike until something is written: a socket that was closed answers with RST, one that was shut for
writing takes the bytes. So after a short time, in which most answers begin anyway, something harmless is written.
"""

import asyncio
from collections.abc import Callable

from penstock_gateway.server.peer import Peer

ANSWER_S = 0.1
"""An answer that begins within this time needs no probe."""
LOOK_S = 0.05
"""Of the client's RST to come."""
AGAIN_S = 5.0


class HalfClosed:
    """Of one connection; `probe` writes. Aborts the connection of a client that is gone."""

    __slots__ = ("_loop", "_peer", "_probe", "_timer", "_transport", "begun")

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, peer: Peer, probe: Callable[[], None]
    ) -> None:
        self._transport = transport
        self._loop = loop
        self._peer = peer
        self._probe = probe
        self._timer: asyncio.TimerHandle | None = None
        self.begun = False

    def begin(self) -> None:
        if not self.begun:
            self.begun = True
            self._timer = self._loop.call_later(ANSWER_S, self._ask)

    def forget(self) -> None:
        """The connection is no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ask(self) -> None:
        if not self._transport.is_closing():
            self._probe()
            self._timer = self._loop.call_later(LOOK_S, self._look)

    def _look(self) -> None:
        if self._peer.reset:
            self._transport.abort()
        else:
            self._timer = self._loop.call_later(AGAIN_S, self._ask)
