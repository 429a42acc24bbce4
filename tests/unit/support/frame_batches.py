"""A running frame batcher whose published messages are kept with their times."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from penstock_contract import codec
from penstock_contract.stream.events import TextDelta
from penstock_contract.stream.frames import Frame
from penstock_worker.sessions.frame_batcher import FrameBatcher

GATEWAY = "penstock.replies.gw-1.default.main"
OTHER = "penstock.replies.gw-2.default.main"


class Wire:
    """A batcher, its published messages and their times."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.sent: list[tuple[float, str, list[int]]] = []
        self.sizes: list[int] = []
        self.blocked: asyncio.Event | None = None
        self.blocks: list[tuple[int, float]] = []  # messages sent by then, seconds
        """Of each pause of the event loop; the next `interruptions` of them end at once, by bytes that arrive."""
        self.interruptions = 0
        self.on_interruption: Callable[[], None] | None = None
        self.batcher = FrameBatcher("worker-1", self._publish, self._block)
        self._seq = 0
        self._began = self.loop.time()

    def add(self, subject: str = GATEWAY, *, now: bool = False, deferrable: bool = False, text: str = "x") -> None:
        self.batcher.add(subject, Frame(1, 1, self._seq, TextDelta(text)), now=now, deferrable=deferrable)
        self._seq += 1

    @property
    def batches(self) -> list[list[int]]:
        return [seqs for _, _, seqs in self.sent]

    def _block(self, seconds: float) -> bool:
        self.blocks.append((len(self.sent), seconds))
        if not self.interruptions:
            return False
        self.interruptions -= 1
        if self.on_interruption is not None:
            self.loop.call_soon(self.on_interruption)
        return True

    async def settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    async def _publish(self, subject: str, data: bytes) -> None:
        batch = codec.decode_batch(data)
        assert batch.worker == "worker-1"
        if self.blocked is not None:
            await self.blocked.wait()
        self.sizes.append(len(data))
        at = round(self.loop.time() - self._began, 6)
        self.sent.append((at, subject, [frame.seq for frame in batch.frames]))


@asynccontextmanager
async def running() -> AsyncIterator[Wire]:
    wire = Wire()
    pump = asyncio.create_task(wire.batcher.run())
    yield wire
    pump.cancel()
