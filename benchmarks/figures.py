"""Figures of a run that are computed from what was measured. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from loads import Loads, Requests, Steady, Window
from measure import Measurement
from paced import Times
from sizes import REQUEST_TOKENS, Sizes


@dataclass(frozen=True)
class Run:
    """One run of the benchmark; peers in the order of the columns."""

    facts: Mapping[str, str]  # machine and versions
    sizes: Sizes
    titles: Mapping[str, str]
    direct: Loads
    peers: Mapping[str, Measurement]
    failed: Mapping[str, str]  # peer → why it has no column
    before: Requests | None = None  # of another version, if one was named


@dataclass(frozen=True)
class Floor:
    """Milliseconds to first token without a peer."""

    p50: float
    p99: float

    def added(self, times: Times) -> str:
        return f"{times.p50 - self.p50:.2f} / {times.p99 - self.p99:.2f}"


@dataclass(frozen=True)
class Floors:
    """For a stream alone on the box, and for streams among others."""

    alone: Floor
    among: Floor


def floors(run: Run) -> Floors:
    """The best that the direct way did in this run, so that a bad moment of the box can only be held against a peer."""
    measured = [run.direct.first, *(peer.floor for peer in run.peers.values())]

    def lowest(times: list[Times]) -> Floor:
        return Floor(min(each.p50 for each in times), min(each.p99 for each in times))

    return Floors(
        lowest([each.alone.first_ms for each in measured]), lowest([each.among.first_ms for each in measured])
    )


def cpu_us(peer: Measurement) -> float:
    """CPU µs per token received in the window, all processes."""
    return sum(us_per_token(peer.loads.cpu.window).values())


def us_per_token(window: Window) -> dict[str, float]:
    """By process."""
    return {process: spent * 1e6 / window.tokens for process, spent in window.cpu_s.items()}


def ms_per_request(load: Steady) -> dict[str, float]:
    """By process; the requests of the window are counted by their tokens."""
    return {process: us * REQUEST_TOKENS / 1e3 for process, us in us_per_token(load.window).items()}


def requests_per_s(load: Steady) -> float:
    return load.window.tokens / REQUEST_TOKENS / load.window.seconds


def idle_mib(peer: Measurement) -> float:
    """All processes."""
    return sum(peer.idle_mib.values())


def hot_mib(ours: Measurement) -> float:
    """Gateway and worker only."""
    return sum(mib for process, mib in ours.idle_mib.items() if role(process) in ("gateway", "worker"))


def kib_per_stream(peer: Measurement) -> float:
    """Memory with all streams open beyond the idle memory, so the memory that stays after the loads counts too."""
    return (sum(peer.loads.held.open_mib.values()) - idle_mib(peer)) * 1024 / peer.loads.held.result.peak_live


def role(process: str) -> str:
    """Which of our processes a command line is; the supervisor and what it starts besides are `others`."""
    names = {"penstock_gateway": "gateway", "penstock_worker": "worker", "nats-server": "nats-server"}
    return next((role for mark, role in names.items() if mark in process), "others")
