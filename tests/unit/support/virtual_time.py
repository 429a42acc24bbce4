"""An event loop whose clock jumps to the next timer when no callback is ready.

Only for code without sockets. `virtual_time` turns a coroutine test into one that runs in it.
"""

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

from penstock_runtime.clock import Clock

Parameters = ParamSpec("Parameters")
START = 1000.0
EPOCH = 1_700_000_000.0


class Stuck(Exception):  # noqa: N818
    """Nothing is ready and no timer is set: the test would wait for ever."""


class _Selector(selectors.SelectSelector):
    advance: Callable[[float], None]

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise Stuck
        if not ready and timeout:
            self.advance(timeout)
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._now = START
        selector = _Selector()
        selector.advance = self._advance
        super().__init__(selector)

    def time(self) -> float:
        return self._now

    def _advance(self, seconds: float) -> None:
        self._now += seconds


class LoopClock(Clock):
    """The running loop's clock, in both forms; Unix time is `EPOCH` at `START`."""

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def unix(self) -> float:
        return EPOCH + self.monotonic() - START


def virtual_time(test: Callable[Parameters, Coroutine[Any, Any, None]]) -> Callable[Parameters, None]:
    @functools.wraps(test)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        unhandled: list[dict[str, Any]] = []
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.get_loop().set_exception_handler(lambda _, context: unhandled.append(context))
            runner.run(test(*args, **kwargs))
        assert not unhandled

    return run
