"""The simulation's table, and whether it shows what it is to show. Pure: tallies in, markdown out."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from scaling.hpa import KedaHpa
from scaling.knative import Knative
from scaling.kubeai import KubeAI
from scaling.ours import Ours
from scaling.traces import traces
from scaling.world import Autoscaler, Tally, World

SEEDS = (1, 2, 3)
BEGIN = "<!-- simulation: made by `make simulate` -->\n"
END = "<!-- end of the simulation -->\n"
OURS = "Penstock"
AUTOSCALERS: tuple[Callable[[], Autoscaler], ...] = (
    Ours,
    lambda: Ours(f"{OURS}, 80 %", target_utilization_percent=80),
    KedaHpa,
    Knative,
    KubeAI,
)


@dataclass(frozen=True)
class Row:
    """All seeds together: waits pooled, the rest summed. Waits in seconds, to a tenth."""

    trace: str
    autoscaler: str
    p50: float
    p99: float
    pod_seconds: float
    flaps: int
    cut: int


def rows() -> Iterator[Row]:
    for runs in zip(*(traces(seed) for seed in SEEDS), strict=True):
        for make in AUTOSCALERS:
            tallies = [World(trace, autoscaler := make()).run() for trace in runs]
            yield _row(runs[0].name, autoscaler.name, tallies)


def _row(trace: str, autoscaler: str, tallies: list[Tally]) -> Row:
    waits = sorted(wait for tally in tallies for wait in tally.waits)
    return Row(
        trace,
        autoscaler,
        p50=_rank(waits, 50),
        p99=_rank(waits, 99),
        pod_seconds=sum(tally.pod_seconds for tally in tallies),
        flaps=sum(tally.flaps for tally in tallies),
        cut=sum(tally.cut for tally in tallies),
    )


def _rank(ordered: list[float], percent: float) -> float:
    """Nearest rank."""
    return round(ordered[math.ceil(percent / 100 * len(ordered)) - 1], 1)


def markdown(found: list[Row]) -> str:
    """The text between the markers of docs/operations/scaling.md."""
    lines = [f"- **{trace.name}**: {trace.what}" for trace in traces(SEEDS[0])]
    lines += [
        "",
        "| trace | autoscaler | wait p50, s | wait p99, s | pod-seconds | flaps | cut streams |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for row in found:
        trace = row.trace if row.autoscaler == OURS else ""
        lines.append(
            f"| {trace} | {row.autoscaler} | {row.p50:.1f} | {row.p99:.1f} | {row.pod_seconds:,.0f} |"
            f" {row.flaps} | {row.cut} |"
        )
    lines += ["", "No stream cut, and a p99 no worse than the best of the others?", ""]
    lines += [_verdict(name, found) for name in dict.fromkeys(row.trace for row in found)]
    return "\n".join(lines) + "\n"


def _verdict(trace: str, found: list[Row]) -> str:
    here = [row for row in found if row.trace == trace]
    ours = next(row for row in here if row.autoscaler == OURS)
    best = min((row for row in here if not row.autoscaler.startswith(OURS)), key=lambda row: (row.p99, row.pod_seconds))
    answer = "yes" if ours.cut == 0 and ours.p99 <= best.p99 else "**no**"
    return (
        f"- {trace}: {answer}, {ours.p99:.1f} s and {ours.cut} cut; {best.autoscaler} has {best.p99:.1f} s,"
        f" at {best.pod_seconds / ours.pod_seconds:.2f} times the pod-seconds"
    )


def with_table(page: str, table: str) -> str:
    """`page` with `table` between its markers."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table}\n{END}{after}"
