"""The measurements of a peer, in order. One peer runs at a time; the direct way is measured too."""

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import install
import paced
from loads import FirstTokens, Loader, Loads, Requests, Target
from peers import Peer, Place
from procs import Tree
from sizes import Sizes


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
    target: Target
    tree: Tree
    start_s: float


@dataclass(frozen=True)
class Bench:
    """Parts that all measurements of a run share."""

    binary: Path
    work: Path
    provider: paced.Provider
    sizes: Sizes
    key: str
    collector: str

    @property
    def loader(self) -> Loader:
        return Loader(self.binary, self.provider, self.sizes)

    @property
    def provider_itself(self) -> Target:
        return Target(self.provider.port, self.key)

    def direct(self) -> Loads:
        """Client to provider with nothing between: what the harness itself adds."""
        return self.loader.all(self.provider_itself)

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
            floor = self.loader.first(self.provider_itself, "direct ")
            loads = self.loader.all(running.target)
            return Measurement(loads, floor, statistics.median(starts[1:]), idle, running.tree.memory_mib())

    def requests(self, peer: Peer) -> Requests:
        """Only the short requests."""
        with self._running(peer) as running:
            self.loader.warm_up(running.target)
            return self.loader.requests(running.target)

    @contextmanager
    def _running(self, peer: Peer) -> Iterator[_Running]:
        port, work = paced.free_port(), self.work / peer.name
        work.mkdir(exist_ok=True)
        place = Place(work, port, self.provider.port, self.key, self.collector)
        command = peer.command(place)
        tree = Tree(command.argv, env=command.env, cwd=work, log=self.work / f"{peer.name}.log")
        try:
            if command.port_file is not None:
                port = paced.await_port(command.port_file, tree)
            paced.await_first_token(port, self.key, tree, path=peer.path, model=peer.model)
            took = time.perf_counter() - tree.spawned_at
            install.print_line(f"  first token {took:.2f} s after the start")
            key = peer.client_key(place)
            yield _Running(Target(port, key, peer.path, peer.model, tree, peer.held), tree, took)
        except Exception as error:
            error.add_note(f"the end of {peer.title}'s log:\n{tree.tail()}")
            raise
        finally:
            tree.stop()
