"""A level-triggered queue of keys: a key means that an object may have changed, without the kind of change.

A key that is added several times is handled once, by one task at a time, and once more if it was added meanwhile.
Modelled on client-go's work queue, with the event loop's clock and an injected random source.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeVar

import structlog

Key = TypeVar("Key", bound=Hashable)

BACKOFF_FIRST_S: Final = 0.2
BACKOFF_MAX_S: Final = 5.0
"""Short: only a key with work to do sends requests, and outages end at unknown times."""

log = structlog.get_logger("penstock.operator")


class Later(Exception):  # noqa: N818 - not an error: it carries the time of the next attempt
    """Raised by a handler with the time at which another attempt can succeed; any other exception backs off."""

    def __init__(self, delay_s: float, reason: str) -> None:
        super().__init__(reason)
        self.delay_s = delay_s


class WorkQueue(Generic[Key]):
    """`name` is the part of the log event `operator.<name>_failed`.

    `draw` returns random numbers from 0 to 1, so that keys that failed together are not retried together. Bounded by
    the number of existing keys: each is in the queue at most once in each state.
    """

    def __init__(self, name: str, *, concurrency: int, draw: Callable[[], float]) -> None:
        self._failed_event = f"operator.{name}_failed"
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
        """Number of keys that wait for a task."""
        return len(self._ready)

    @property
    def idle(self) -> bool:
        """True if no key waits for a task and none is being handled."""
        return not self._ready and not self._working

    @property
    def failing(self) -> int:
        """Number of keys whose last attempt failed."""
        return len(self._failures)

    def add(self, key: Key) -> None:
        """Handles `key` as soon as possible; replaces a later time."""
        self._cancel_timer(key)
        if key in self._working:
            self._added_meanwhile.add(key)
        elif key not in self._ready:
            self._ready[key] = None
            self._wake.release()

    def add_after(self, key: Key, delay_s: float) -> None:
        """Handles `key` after a delay, unless it is added before. The earlier of two times counts."""
        loop = asyncio.get_running_loop()
        due = loop.time() + delay_s
        if key in self._timers and self._timers[key][0] <= due:
            return
        self._cancel_timer(key)
        self._timers[key] = (due, loop.call_at(due, self._due, key))

    async def run(self, handle: Callable[[Key], Awaitable[None]]) -> None:
        """Handles keys until cancelled; then handlers in progress are cancelled too."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._concurrency):
                    group.create_task(self._work(handle))
        finally:
            for _, timer in self._timers.values():
                timer.cancel()
            self._timers.clear()

    async def _work(self, handle: Callable[[Key], Awaitable[None]]) -> None:
        while True:
            await self._wake.acquire()
            key, _ = self._ready.popitem(last=False)
            self._working.add(key)
            try:
                await handle(key)
            except Later as later:
                self._failures.pop(key, None)
                self.add_after(key, later.delay_s)
            except Exception as error:  # noqa: BLE001 - the root of this key's work: it is retried
                delay_s = self._backoff(key)
                log.warning(
                    self._failed_event,
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
                    # A change does not shorten the back-off of a key: it may be the watch event of its own write.
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
