"""The sockets on which bytes may arrive that a client waits for: the broker's, and those of calls without an answer.

At a high rate of tokens the worker blocks its event loop between two batches (ADR 0011). Bytes on these sockets end
that pause; tokens of running streams do not. It has descriptors only, no protocol.
"""

import asyncio
import contextlib
import select
from collections.abc import Callable, Iterator

NONE = -1
"""The descriptor of a call without a socket, and of the broker while it is away."""


class AwaitedSockets:
    """`broker` returns the descriptor of the broker's socket, which a reconnect changes.

    `write_held` writes what this process holds back for the broker; it is called before each `block`.
    """

    def __init__(self, broker: Callable[[], int] = lambda: NONE, write_held: Callable[[], None] = lambda: None) -> None:
        self._broker = broker
        self._write_held = write_held
        self._polled_broker = NONE
        self._poll = select.poll()
        self._connecting = 0

    @contextlib.contextmanager
    def connecting(self) -> Iterator[None]:
        """For a call until its request is sent: `block` returns at once.

        Name resolution and handshakes use other sockets.
        """
        self._connecting += 1
        try:
            yield
        finally:
            # The request is written to its new socket in the next iteration of the event loop (`CoalescedWrites`).
            asyncio.get_running_loop().call_soon(self._connected)

    def _connected(self) -> None:
        self._connecting -= 1

    def add(self, descriptor: int) -> None:
        if descriptor >= 0:
            self._poll.register(descriptor, select.POLLIN)

    def remove(self, descriptor: int) -> None:
        """Call it before another socket can have the descriptor. Does nothing for one that was removed."""
        if descriptor >= 0:
            with contextlib.suppress(KeyError):
                self._poll.unregister(descriptor)

    def block(self, seconds: float) -> bool:
        """Block the thread for at most `seconds`; True if bytes arrived before."""
        if self._connecting:
            return True
        self._write_held()
        broker = self._broker()
        if broker != self._polled_broker:
            self.remove(self._polled_broker)
            self.add(broker)
            self._polled_broker = broker
        return bool(self._poll.poll(seconds * 1000))
