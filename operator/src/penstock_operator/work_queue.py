"""A level-triggered queue of keys: says that something about an object may be different, never what.

However often a key is added, it is worked on once, by one task at a time, and once more if it was added meanwhile.
Like client-go's work queue, with the clock of the event loop and the dice handed in.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeVar

import structlog

Key = TypeVar("Key", bound=Hashable)

BACKOFF_FIRST_S: Final = 0.2
BACKOFF_MAX_S: Final = 5.0
"""Short: only a key with something to do asks the API server at all, and what was away is back at some moment."""

log = structlog.get_logger("penstock.operator")


class Later(Exception):  # noqa: N818 - not an error: it says when to look again
    """Raised by a handler that knows when another try can succeed; any other exception backs off."""

    def __init__(self, delay_s: float, reason: str) -> None:
        super().__init__(reason)
        self.delay_s = delay_s


class WorkQueue(Generic[Key]):
    """`draw` gives random numbers from 0 to 1: keys that failed together are not tried again together.

    Bounded by the number of keys that exist: each is in here at most once in each state.
    """

    def __init__(
        self, handle: Callable[[Key], Awaitable[None]], *, concurrency: int, draw: Callable[[], float]
    ) -> None:
        self._handle = handle
        self._concurrency = concurrency
        self._draw = draw
        self._ready: OrderedDict[Key, None] = OrderedDict()
        self._working: set[Key] = set()
        self._added_meanwhile: set[Key] = set()
        self._timers: dict[Key, tuple[float, asyncio.TimerHandle]] = {}
        self._failures: dict[Key, int] = {}
        self._wake = asyncio.Semaphore(0)

    @property
    def depth(self) -> int:
        """Keys that could be worked on now."""
        return len(self._ready)

    @property
    def idle(self) -> bool:
        """No key could be worked on now, and none is."""
        return not self._ready and not self._working

    @property
    def failing(self) -> int:
        """Keys whose last try failed."""
        return len(self._failures)

    def add(self, key: Key) -> None:
        """Work on `key` as soon as possible; a later date that it had is forgotten."""
        self._cancel_timer(key)
        if key in self._working:
            self._added_meanwhile.add(key)
        elif key not in self._ready:
            self._ready[key] = None
            self._wake.release()

    def add_after(self, key: Key, delay_s: float) -> None:
        """Work on `key` in a while, unless it is added before that. The earlier of two dates counts."""
        loop = asyncio.get_running_loop()
        due = loop.time() + delay_s
        if key in self._timers and self._timers[key][0] <= due:
            return
        self._cancel_timer(key)
        self._timers[key] = (due, loop.call_at(due, self._due, key))

    async def run(self) -> None:
        """Work until cancelled; then what is being worked on is cancelled too."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._concurrency):
                    group.create_task(self._work())
        finally:
            for _, timer in self._timers.values():
                timer.cancel()
            self._timers.clear()

    async def _work(self) -> None:
        while True:
            await self._wake.acquire()
            key, _ = self._ready.popitem(last=False)
            self._working.add(key)
            try:
                await self._handle(key)
            except Later as later:
                self._failures.pop(key, None)
                self.add_after(key, later.delay_s)
            except Exception as error:  # noqa: BLE001 - the root of this key's work: it is tried again
                delay_s = self._backoff(key)
                log.warning(
                    "operator.reconcile_failed",
                    key=str(key),
                    error=type(error).__name__,
                    detail=str(error)[:300],
                    again_in_s=round(delay_s, 2),
                )
                self.add_after(key, delay_s)
            else:
                self._failures.pop(key, None)
            finally:
                self._working.discard(key)
            if key in self._added_meanwhile:
                self._added_meanwhile.discard(key)
                if key in self._failures:
                    # News do not shorten the wait of a key that fails: it may be its own writes that come back.
                    continue
                self.add(key)

    def _backoff(self, key: Key) -> float:
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        longest: float = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2 ** min(failures - 1, 16))
        return longest * (0.5 + 0.5 * self._draw())

    def _due(self, key: Key) -> None:
        del self._timers[key]
        self.add(key)

    def _cancel_timer(self, key: Key) -> None:
        if (timed := self._timers.pop(key, None)) is not None:
            timed[1].cancel()
