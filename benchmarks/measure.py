"""The measurements of a peer, in order. One peer runs at a time; the direct phase is measured too."""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import install
import paced
from peers import Peer, Place
from procs import Box, Tree, process_cpu_s


@dataclass(frozen=True)
class Sizes:
    """The size of each phase; durations have Go's form, for the client's flags."""

    starts: int  # timed ones, after one that warms the page cache
    settle_s: float  # of rest before the idle memory is read
    first_alone: int  # samples
    first_among: int  # samples, taken by `among` slots that stream all the time
    among: int
    cpu_streams: int
    cpu_tokens: int
    cpu_ramp: str  # one stream's length, so that the starts are spread over it
    cpu_warm: str
    cpu_window: str
    held: int
    held_tokens: int


FULL = Sizes(3, 4, 300, 224, 32, 256, 250, "5s", "8s", "15s", 512, 150)
QUICK = Sizes(1, 1, 50, 64, 32, 64, 100, "2s", "3s", "4s", 128, 40)

CPU_PACE_MS, HELD_PACE_MS = 20, 100
AMONG_PACE_MS = 200  # slow enough that LiteLLM keeps up: its time to first token is to be its own, not its queue's


@dataclass(frozen=True)
class Window:
    """The steady part of the CPU load."""

    tokens: int
    seconds: float
    cpu_s: dict[str, float]  # of each of the peer's processes
    elsewhere_s: float  # CPU the box spent in neither peer, provider nor client: interrupts, and other people's work
    stolen_s: float


@dataclass(frozen=True)
class FirstTokens:
    """Time to first token, of a stream alone on the box and of streams among others."""

    alone: paced.Result
    among: paced.Result


@dataclass(frozen=True)
class Loads:
    """The client's results under each load."""

    first: FirstTokens
    cpu: paced.Result
    window: Window
    held: paced.Result
    lateness_ms: float  # the provider's worst while the streams were held


@dataclass(frozen=True)
class Measurement:
    """All of one peer."""

    loads: Loads
    floor: FirstTokens  # of the direct way, measured just before this peer's
    start_s: float  # spawn to first token, median
    idle_mib: dict[str, float]  # by process
    loaded_mib: dict[str, float]  # by process, after the loads


@dataclass(frozen=True)
class _Running:
    tree: Tree
    port: int
    start_s: float


@dataclass(frozen=True)
class Bench:
    """Parts that all measurements of a run share."""

    binary: Path
    work: Path
    provider: paced.Provider
    sizes: Sizes
    key: str

    def direct(self) -> Loads:
        """Client to provider with nothing between: what the harness itself adds."""
        return self._loads(self.provider.port, None)

    def peer(self, peer: Peer) -> Measurement:
        """Start the peer, measure it, end it."""
        starts = []
        for _ in range(self.sizes.starts):  # the first only warms the page cache, the last below stays up
            with self._running(peer) as running:
                starts.append(running.start_s)
        with self._running(peer) as running:
            starts.append(running.start_s)
            time.sleep(self.sizes.settle_s)
            idle = running.tree.memory_mib()
            floor = self._first(self.provider.port, "direct ")
            loads = self._loads(running.port, running.tree)
            return Measurement(loads, floor, statistics.median(starts[1:]), idle, running.tree.memory_mib())

    @contextmanager
    def _running(self, peer: Peer) -> Iterator[_Running]:
        port = paced.free_port()
        command = peer.command(Place(self.work, port, self.provider.port, self.key))
        tree = Tree(command.argv, env=command.env, cwd=self.work, log=self.work / f"{peer.name}.log")
        try:
            paced.await_first_token(port, self.key, tree)
            took = time.perf_counter() - tree.spawned_at
            install.print_line(f"  first token {took:.2f} s after the start")
            yield _Running(tree, port, took)
        except Exception as error:
            error.add_note(f"the end of {peer.title}'s log:\n{tree.tail()}")
            raise
        finally:
            tree.stop()

    def _loads(self, port: int, tree: Tree | None) -> Loads:
        sizes = self.sizes
        self._run(port, "warm-up", slots=32, streams=256, tokens=20, pace="5ms")
        first = self._first(port)
        cpu, window = self._steady(port, tree)
        self.provider.worst_lateness_ms()
        held = self._run(
            port,
            f"{sizes.held} streams held",
            slots=sizes.held,
            streams=sizes.held,
            tokens=sizes.held_tokens,
            pace=f"{HELD_PACE_MS}ms",
            ramp="5s",
        )
        return Loads(first, cpu, window, held, self.provider.worst_lateness_ms())

    def _first(self, port: int, way: str = "") -> FirstTokens:
        sizes = self.sizes
        alone = self._run(
            port, f"{way}first token, 1 stream", streams=sizes.first_alone, tokens=3, pace="5ms", think="20ms"
        )
        among = self._run(
            port,
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

    def _steady(self, port: int, tree: Tree | None) -> tuple[paced.Result, Window]:
        """The CPU load: slots run stream after stream; the accounts are read at both edges of the window."""
        edges: list[_Edge] = []

        def on_edge(tokens: int, client: int) -> None:
            peer = tree.cpu_s() if tree else {}
            ends = sum(self.provider.tree.cpu_s().values()) + process_cpu_s(client)
            edges.append(_Edge(tokens, time.perf_counter(), peer, ends, Box.read()))

        sizes = self.sizes
        result = self._run(
            port,
            f"CPU per token, {sizes.cpu_streams} streams",
            on_edge,
            slots=sizes.cpu_streams,
            tokens=sizes.cpu_tokens,
            pace=f"{CPU_PACE_MS}ms",
            ramp=sizes.cpu_ramp,
            warm=sizes.cpu_warm,
            window=sizes.cpu_window,
        )
        opened, closed = edges
        return result, opened.until(closed)

    def _run(
        self, port: int, title: str, on_edge: Callable[[int, int], None] | None = None, /, **flags: object
    ) -> paced.Result:
        result = paced.run_client(self.binary, port, on_edge, key=self.key, **flags)
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
    """The accounts at one edge of the window."""

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
