"""The plan of a chaos run: duration, number of clients, and frequency of each kind of fault. Seeded."""

from dataclasses import dataclass
from typing import Literal

Fault = Literal["kill", "term", "pause"]
Group = Literal["gateway", "worker", "broker"]


@dataclass(frozen=True)
class Plan:
    """Times are in seconds; the numbers of a run are drawn from `seed`, so its faults come in the same order again."""

    seed: int = 1
    seconds: float = 300.0
    clients: int = 30
    gateways: int = 2
    workers: int = 3
    tokens: tuple[int, int] = (5, 60)
    pace_s: float = 0.03
    """Between two tokens of the provider."""
    between_s: tuple[float, float] = (1.0, 4.0)
    """Between two faults of one group; the broker's come five times as rarely."""
    pause_s: tuple[float, float] = (0.3, 6.0)
    """Duration of a SIGSTOP."""
    down_s: tuple[float, float] = (0.1, 1.5)
    """Time until a killed process is started again."""
    hang_up: float = 0.1
    """The share of requests that their client leaves at a random moment."""
    cut: float = 0.05
    """The share of provider calls that the provider cuts at a random token."""
    hang_s: float = 90.0
    """A request without an end after this time counts as hung: queue timeout and answer take less together."""


FAULTS: dict[Group, tuple[Fault, ...]] = {
    "gateway": ("kill", "term", "pause"),
    "worker": ("kill", "kill", "term", "pause"),
    "broker": ("kill", "pause", "pause"),
}
