"""The loads on one peer, in order, and what each of them measured."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import install
import paced
from procs import Box, Tree, process_cpu_s
from sizes import (
    AMONG_PACE_MS,
    CLOSED_SLOTS,
    CPU_PACE_MS,
    HELD_PACE_MS,
    LONG_BYTES,
    PACED_EVERY_MS,
    PACED_PACE_MS,
    PACED_SLOTS,
    REQUEST_TOKENS,
    Sizes,
)


@dataclass(frozen=True)
class Window:
    """The steady part of a load."""

    tokens: int
    seconds: float
    cpu_s: dict[str, float]  # of each of the peer's processes
    elsewhere_s: float  # CPU the box spent in neither peer, provider nor client: interrupts, and other people's work
    stolen_s: float


@dataclass(frozen=True)
class Steady:
    """A load with a window."""

    result: paced.Result
    window: Window


@dataclass(frozen=True)
class FirstTokens:
    """Time to first token, of a stream alone on the box and of streams among others."""

    alone: paced.Result
    among: paced.Result


@dataclass(frozen=True)
class Requests:
    """Short requests, by a schedule and as fast as they are answered."""

    paced: Steady
    closed: Steady


@dataclass(frozen=True)
class LongPrompts:
    """Requests with a long prompt, one after the other."""

    result: paced.Result
    cpu_s: float


@dataclass(frozen=True)
class Held:
    """Many slow streams, open together."""

    result: paced.Result
    window: Window
    open_mib: dict[str, float]  # by process, with all streams open
    lateness_ms: float  # the provider's worst


@dataclass(frozen=True)
class Loads:
    """The results of all loads."""

    first: FirstTokens
    long: LongPrompts
    cpu: Steady
    requests: Requests
    held: Held


@dataclass(frozen=True)
class Target:
    """An endpoint under load, and the process tree behind it; None for the provider itself."""

    port: int
    key: str
    path: str = paced.CHAT
    model: str = "bench"
    tree: Tree | None = None
    held: int | None = None

    def cpu_s(self) -> dict[str, float]:
        return self.tree.cpu_s() if self.tree else {}

    def memory_mib(self) -> dict[str, float]:
        return self.tree.memory_mib() if self.tree else {}


@dataclass(frozen=True)
class Loader:
    """Runs the loads."""

    binary: Path
    provider: paced.Provider
    sizes: Sizes

    def all(self, target: Target) -> Loads:
        self.warm_up(target)
        first = self.first(target)
        long = self._long(target)
        cpu = self._cpu(target)
        requests = self.requests(target)
        return Loads(first, long, cpu, requests, self._held(target))

    def warm_up(self, target: Target) -> None:
        self._run(target, "warm-up", slots=32, streams=256, tokens=20, pace="5ms")

    def first(self, target: Target, way: str = "") -> FirstTokens:
        sizes = self.sizes
        alone = self._run(
            target, f"{way}first token, 1 stream", streams=sizes.first_alone, tokens=3, pace="5ms", think="20ms"
        )
        among = self._run(
            target,
            f"{way}first token, {sizes.among} streams",
            slots=sizes.among,
            streams=sizes.first_among,
            tokens=16,
            pace=f"{AMONG_PACE_MS}ms",
            ramp="3200ms",
        )
        if alone.incomplete or among.incomplete:  # loads this small leave no excuse
            raise RuntimeError("streams broke while time to first token was measured")
        return FirstTokens(alone, among)

    def requests(self, target: Target) -> Requests:
        sizes = self.sizes
        flags = {"tokens": REQUEST_TOKENS, "warm": sizes.request_warm, "window": sizes.request_window}
        every = f"{PACED_EVERY_MS}ms"
        return Requests(
            self._steady(
                target,
                f"{PACED_SLOTS * 1000 // PACED_EVERY_MS} requests/s",
                **flags,
                slots=PACED_SLOTS,
                pace=f"{PACED_PACE_MS}ms",
                ramp=every,
                every=every,
            ),
            self._steady(target, f"requests by {CLOSED_SLOTS} clients without a pause", **flags, slots=CLOSED_SLOTS),
        )

    def _long(self, target: Target) -> LongPrompts:
        before = sum(target.cpu_s().values())
        result = self._run(
            target,
            f"prompts of {LONG_BYTES} bytes",
            streams=self.sizes.long_prompts,
            tokens=3,
            think="20ms",
            padding=LONG_BYTES,
        )
        if result.incomplete:
            raise RuntimeError("streams with a long prompt broke")
        return LongPrompts(result, sum(target.cpu_s().values()) - before)

    def _cpu(self, target: Target) -> Steady:
        """Slots run stream after stream."""
        sizes = self.sizes
        return self._steady(
            target,
            f"CPU per token, {sizes.cpu_streams} streams",
            slots=sizes.cpu_streams,
            tokens=sizes.cpu_tokens,
            pace=f"{CPU_PACE_MS}ms",
            ramp=sizes.cpu_ramp,
            warm=sizes.cpu_warm,
            window=sizes.cpu_window,
        )

    def _held(self, target: Target) -> Held:
        sizes = self.sizes
        streams = min(sizes.held, target.held or sizes.held)
        open_mib: dict[str, float] = {}
        self.provider.worst_lateness_ms()
        steady = self._steady(
            target,
            f"{streams} streams held",
            lambda: open_mib.update(target.memory_mib()),
            slots=streams,
            streams=streams,
            tokens=sizes.held_tokens,
            pace=f"{HELD_PACE_MS}ms",
            ramp=sizes.held_ramp,
            warm=sizes.held_warm,
            window=sizes.held_window,
        )
        return Held(steady.result, steady.window, open_mib, self.provider.worst_lateness_ms())

    def _steady(
        self, target: Target, title: str, on_edge: Callable[[], None] = lambda: None, /, **flags: object
    ) -> Steady:
        """A load whose accounts are read at both edges of its window."""
        edges: list[_Edge] = []

        def edge(tokens: int, client: int) -> None:
            ends = sum(self.provider.tree.cpu_s().values()) + process_cpu_s(client)
            edges.append(_Edge(tokens, time.perf_counter(), target.cpu_s(), ends, Box.read()))
            on_edge()

        result = self._run(target, title, edge, **flags)
        opened, closed = edges
        return Steady(result, opened.until(closed))

    def _run(
        self, target: Target, title: str, on_edge: Callable[[int, int], None] | None = None, /, **flags: object
    ) -> paced.Result:
        result = paced.run_client(
            self.binary, target.port, on_edge, path=target.path, key=target.key, model=target.model, **flags
        )
        first, gap = result.first_ms, result.gap_ms
        install.print_line(
            f"  {title}: {result.ok}/{result.streams} whole, first token p50 {first.p50:.2f}, p99 {first.p99:.2f} ms,"
            f" longest gap {gap.max:.0f} ms"
        )
        for error in result.errors:
            install.print_line(f"    {error}")
        return result


@dataclass(frozen=True)
class _Edge:
    """The accounts at one edge of a window."""

    tokens: int
    at_s: float
    peer: dict[str, float]
    ends_s: float  # CPU of provider and client
    box: Box

    def until(self, later: "_Edge") -> Window:
        cpu_s = {process: spent - self.peer.get(process, 0.0) for process, spent in later.peer.items()}
        busy_s = later.box.busy_s - self.box.busy_s
        return Window(
            tokens=later.tokens - self.tokens,
            seconds=later.at_s - self.at_s,
            cpu_s=cpu_s,
            elsewhere_s=busy_s - sum(cpu_s.values()) - (later.ends_s - self.ends_s),
            stolen_s=later.box.stolen_s - self.box.stolen_s,
        )
