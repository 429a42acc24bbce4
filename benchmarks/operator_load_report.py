"""Results of the operator load measurement, and their Markdown tables."""

import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))


@dataclass
class Start:
    """Seconds since the process was started; `calls` of the API server by verb, resource and code."""

    what: str
    routes: int
    synced_s: float
    reported_s: float
    settled_s: float
    cpu_s: float
    memory_mib: float
    writes: int
    calls: dict[str, int]


@dataclass
class Rest:
    routes: int
    seconds: float
    writes: dict[str, int]
    renewals: int
    cpu_share: float
    memory_mib: list[float]


@dataclass
class Churn:
    seconds: float
    made: int
    memory_mib: list[float]

    @property
    def slope_mib_per_1000(self) -> float:
        """Least squares over the second half, per thousand routes that came and went."""
        half = self.memory_mib[len(self.memory_mib) // 2 :]
        if len(half) < 2:
            return float("nan")
        middle = (len(half) - 1) / 2
        mean = sum(half) / len(half)
        spread = sum((at - middle) ** 2 for at in range(len(half)))
        per_sample = sum((at - middle) * (value - mean) for at, value in enumerate(half)) / spread
        return per_sample * len(self.memory_mib) / self.made * 1000


def starts(found: list[Start]) -> str:
    lines = [
        "| routes at the start | state | seen s | all reported s | all complete s | CPU s | memory MiB | writes |",
        "|--:|---|--:|--:|--:|--:|--:|--:|",
    ]
    for one in found:
        times = f"{one.synced_s:.1f} | {one.reported_s:.1f} | {one.settled_s:.1f} | {one.cpu_s:.1f}"
        lines.append(f"| {one.routes} | {one.what} | {times} | {one.memory_mib:.0f} | {one.writes} |")
    for one in found:
        calls = ", ".join(f"{count} x {call}" for call, count in one.calls.items())
        lines.append(f"\nCalls, {one.what}: {calls}")
    return "\n".join(lines) + "\n"


def rested(found: Rest) -> str:
    first, last = found.memory_mib[0], found.memory_mib[-1]
    return (
        "| routes at rest | s | writes | renewals of the lease | CPU of one core | memory MiB, first and last |\n"
        "|--:|--:|--:|--:|--:|--:|\n"
        f"| {found.routes} | {found.seconds:.0f} | {sum(found.writes.values())} | {found.renewals} "
        f"| {100 * found.cpu_share:.1f} % | {first:.1f}, {last:.1f} |\n"
        + "".join(f"\n{count} x {what}" for what, count in found.writes.items())
    )


def churned(found: Churn) -> str:
    half = found.memory_mib[len(found.memory_mib) // 2]
    first, last = found.memory_mib[0], found.memory_mib[-1]
    return (
        "| routes that came and went | s | memory MiB: first, halfway, last | slope of the second half per 1000 |\n"
        "|--:|--:|--:|--:|\n"
        f"| {found.made} | {found.seconds:.0f} | {first:.1f}, {half:.1f}, {last:.1f} "
        f"| {found.slope_mib_per_1000:+.2f} |\n"
    )
