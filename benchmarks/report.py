"""The tables: what was measured, and how it stands against the bars. Pure: measurements in, markdown out."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from measure import CPU_PACE_MS, HELD_PACE_MS, Loads, Measurement, Sizes
from paced import Times


@dataclass(frozen=True)
class Run:
    """One run of the benchmark; peers in the order of the columns."""

    facts: Mapping[str, str]  # machine and versions
    sizes: Sizes
    titles: Mapping[str, str]
    direct: Loads
    peers: Mapping[str, Measurement]
    failed: Mapping[str, str]  # peer → why it has no column


@dataclass(frozen=True)
class Bar:
    """A number of this run against its limit."""

    what: str
    value: float | None  # None when a peer that it needs was not measured
    limit: float | None  # None for a number without a bar

    @property
    def verdict(self) -> str:
        if self.value is None:
            return "not measured"
        if self.limit is None:
            return "for information"
        return "PASS" if self.value <= self.limit else "FAIL"


def markdown(run: Run) -> str:
    """Everything, ready to be pasted into README.md."""
    parts = [_measured(run)]
    if "ours" in run.peers:
        parts += [_split(run.peers["ours"]), _against_bars(run)]
    parts += [f"**{title}: no result.** {why}" for title, why in run.failed.items()]
    parts.append("\n".join(f"- {name}: {value}" for name, value in run.facts.items()))
    return "\n\n".join(parts) + "\n"


def bars(run: Run) -> list[Bar]:
    """The bars of Penstock, as ratios to a peer in the same run."""
    ours, envoy, hono, litellm = (run.peers.get(name) for name in ("ours", "envoy", "hono", "litellm"))

    floor = floors(run)

    def ratio(number: Callable[[Measurement], float], theirs: Measurement | None) -> float | None:
        return number(ours) / number(theirs) if ours and theirs else None

    def hot_ratio() -> float | None:
        """None rather than a splendid 0 when no process was recognised."""
        hot = hot_mib(ours) if ours else 0
        return hot / idle_mib(litellm) if hot and litellm else None

    held = ours.loads.held if ours else None
    steady = ours.loads.cpu if ours else None
    return [
        Bar("CPU per token ÷ Hono raw", ratio(cpu_us, hono), 0.75),
        Bar("CPU per token ÷ Envoy relay (goal)", ratio(cpu_us, envoy), 1.0),
        Bar(
            "added first token p99, 1 stream ÷ LiteLLM",
            ratio(lambda peer: peer.loads.first.alone.first_ms.p99 - floor.alone.p99, litellm),
            1 / 3,
        ),
        Bar(
            "added first token p99, among streams ÷ LiteLLM",
            ratio(lambda peer: peer.loads.first.among.first_ms.p99 - floor.among.p99, litellm),
            1 / 3,
        ),
        Bar("idle memory of gateway + worker ÷ LiteLLM", hot_ratio(), 1 / 2),
        Bar("idle memory with nats-server and supervisor ÷ LiteLLM", ratio(idle_mib, litellm), None),
        Bar("start to first token ÷ LiteLLM", ratio(lambda peer: peer.start_s, litellm), 1 / 5),
        Bar("streams not whole, CPU load", steady.streams - steady.ok if steady else None, 0),
        Bar("streams not whole, held", held.streams - held.ok if held else None, 0),
        Bar("gaps past 10 x pace, held", held.gaps_over_limit if held else None, 0),
    ]


def cpu_us(peer: Measurement) -> float:
    """CPU µs per token received in the window, all processes."""
    return sum(peer.loads.window.cpu_s.values()) * 1e6 / peer.loads.window.tokens


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


def idle_mib(peer: Measurement) -> float:
    """All processes."""
    return sum(peer.idle_mib.values())


def hot_mib(ours: Measurement) -> float:
    """Gateway and worker only."""
    return sum(mib for process, mib in ours.idle_mib.items() if _role(process) in ("gateway", "worker"))


def _measured(run: Run) -> str:
    sizes, direct, peers = run.sizes, run.direct, list(run.peers.values())
    offered = sizes.cpu_streams * 1000 / CPU_PACE_MS

    def loads(cell: Callable[[Loads], str]) -> list[str]:
        return [cell(direct), *(cell(peer.loads) for peer in peers)]

    def own(cell: Callable[[Measurement], str]) -> list[str]:
        return ["-", *(cell(peer) for peer in peers)]

    def delivered(loads: Loads) -> str:
        rate = loads.window.tokens / loads.window.seconds
        return f"{rate:,.0f}{' (saturated)' if rate < 0.95 * offered else ''}"

    def noise(loads: Loads) -> str:
        window = loads.window
        return f"{max(0.0, window.elsewhere_s) / window.seconds:.2f} / {window.stolen_s / window.seconds:.2f}"

    floor = floors(run)
    rows = [
        (
            f"CPU µs per token, {sizes.cpu_streams} x {1000 // CPU_PACE_MS} tok/s",
            own(lambda peer: f"{cpu_us(peer):.1f}"),
        ),
        ("… streams whole", loads(lambda load: f"{load.cpu.ok:,} of {load.cpu.streams:,}")),
        (f"… tokens/s delivered of {offered:,.0f}", loads(delivered)),
        (
            "added first token p50 / p99 ms, 1 stream",
            [
                f"({floor.alone.p50:.2f} / {floor.alone.p99:.2f})",
                *(floor.alone.added(peer.loads.first.alone.first_ms) for peer in peers),
            ],
        ),
        (
            f"added first token p50 / p99 ms, {sizes.among} streams",
            [
                f"({floor.among.p50:.2f} / {floor.among.p99:.2f})",
                *(floor.among.added(peer.loads.first.among.first_ms) for peer in peers),
            ],
        ),
        (
            f"… direct p99 ms just before, 1 / {sizes.among} streams",
            own(lambda peer: f"{peer.floor.alone.first_ms.p99:.2f} / {peer.floor.among.first_ms.p99:.2f}"),
        ),
        ("last token to [DONE] p99 ms, 1 stream", loads(lambda load: f"{load.first.alone.tail_ms.p99:.2f}")),
        (
            f"gap p99 / longest ms, {sizes.cpu_streams} streams",
            loads(lambda load: f"{load.cpu.gap_ms.p99:.0f} / {load.cpu.gap_ms.max:.0f}"),
        ),
        (
            f"{sizes.held} x {1000 // HELD_PACE_MS} tok/s held: whole",
            loads(lambda load: f"{load.held.ok} of {load.held.streams}"),
        ),
        ("… longest gap ms", loads(lambda load: f"{load.held.gap_ms.max:.0f}")),
        (f"… gaps > {10 * HELD_PACE_MS} ms", loads(lambda load: f"{load.held.gaps_over_limit:,}")),
        ("… provider's own worst lateness ms", loads(lambda load: f"{load.lateness_ms:.0f}")),
        ("idle memory MiB (PSS, all processes)", own(lambda peer: f"{idle_mib(peer):.0f}")),
        ("memory after the loads MiB", own(lambda peer: f"{sum(peer.loaded_mib.values()):.0f}")),
        ("start to first token s", own(lambda peer: f"{peer.start_s:.2f}")),
        ("cores busy elsewhere / stolen in the CPU window", loads(noise)),
    ]
    return _table(["", "direct", *(run.titles[name] for name in run.peers)], ([label, *cells] for label, cells in rows))


def _split(ours: Measurement) -> str:
    """Where our own bill comes from."""
    window = ours.loads.window
    roles: dict[str, tuple[float, float, float]] = {}
    for process in {*window.cpu_s, *ours.idle_mib, *ours.loaded_mib}:
        cpu, idle, loaded = roles.get(_role(process), (0.0, 0.0, 0.0))
        roles[_role(process)] = (
            cpu + window.cpu_s.get(process, 0.0) * 1e6 / window.tokens,
            idle + ours.idle_mib.get(process, 0.0),
            loaded + ours.loaded_mib.get(process, 0.0),
        )
    rows = ([role, f"{cpu:.1f}", f"{idle:.0f}", f"{loaded:.0f}"] for role, (cpu, idle, loaded) in sorted(roles.items()))
    return _table(["Penstock's processes", "CPU µs per token", "idle MiB", "loaded MiB"], rows)


def _against_bars(run: Run) -> str:
    rows = (
        [
            bar.what,
            "-" if bar.value is None else f"{bar.value:.2f}",
            "-" if bar.limit is None else f"{bar.limit:.2f}",
            bar.verdict,
        ]
        for bar in bars(run)
    )
    return _table(["bar", "this run", "at most", ""], rows)


def _role(process: str) -> str:
    """Which of our processes a command line is; the supervisor and what it starts besides are `others`."""
    names = {"penstock_gateway": "gateway", "penstock_worker": "worker", "nats-server": "nats-server"}
    return next((role for mark, role in names.items() if mark in process), "others")


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    cells = [[lines[0][0].ljust(widths[0]), *map(str.rjust, lines[0][1:], widths[1:])], rule]
    cells += [[line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])] for line in lines[1:]]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)
