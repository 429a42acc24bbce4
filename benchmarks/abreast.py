"""Stacks of ours side by side, loaded at the same moment: what a box takes away hits all of them alike."""

import contextlib
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import install
import paced
from procs import Tree


@dataclass
class Way:
    """One stack: a tree of processes, the key that opens it, and what was measured."""

    name: str
    tree: Tree
    port: int
    key: str
    first_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    process_us: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


Start = Callable[[Path, int], Way]
"""Starts a stack in a directory of its own, which does not exist yet, in front of the provider at a port."""


@contextlib.contextmanager
def abreast(*starts: Start) -> Iterator[tuple[Path, list[Way]]]:
    """The load's binary and the stacks, warmed up; ended afterwards, whatever happens."""
    with install.locked(), tempfile.TemporaryDirectory(prefix="penstock-abreast-") as name:
        work = Path(name)
        binary = install.load_binary()
        provider = paced.Provider(binary, work)
        ways: list[Way] = []
        try:
            for number, start in enumerate(starts):
                ways.append(start(work / str(number), provider.port))
            for way in ways:
                paced.run_client(binary, way.port, slots=32, streams=256, tokens=20, pace="5ms", key=way.key)
            yield binary, ways
        finally:
            for way in ways:
                way.tree.stop()
            provider.tree.stop()


def at_once(load: Callable[[Way], None], ways: Sequence[Way]) -> None:
    with ThreadPoolExecutor(len(ways)) as clients:
        # Read to the end, so that what one raises is raised here.
        list(clients.map(load, ways))


def cpu(binary: Path, way: Way, window: str, streams: int) -> None:
    """Streams of 250 tokens at 50 tokens/s; adds to `cpu_us` what a token cost in all processes."""
    edges: list[tuple[int, float]] = []

    def on_edge(tokens: int, _client: int) -> None:
        edges.append((tokens, sum(way.tree.cpu_s().values())))

    flags = {"slots": streams, "tokens": 250, "pace": "20ms", "ramp": "5s", "warm": "6s", "window": window}
    result = paced.run_client(binary, way.port, on_edge, **flags, key=way.key)
    if result.incomplete:
        raise RuntimeError(f"{way.name}: {result.errors}\n{way.tree.tail()}")
    (tokens, cpu_s), (tokens_later, cpu_s_later) = edges
    way.cpu_us.append(1e6 * (cpu_s_later - cpu_s) / (tokens_later - tokens))
