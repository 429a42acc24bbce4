"""The tables: what was measured, and how it stands against the bars. Pure: a run in, markdown out."""

from collections.abc import Callable, Iterable, Sequence

from bars import Bar, against_peers, of_the_hot_path
from figures import (
    Run,
    cpu_us,
    floors,
    idle_mib,
    kib_per_stream,
    ms_per_request,
    requests_per_s,
    role,
    us_per_token,
)
from loads import Loads, Steady
from measure import Measurement
from paced import Times
from sizes import CLOSED_SLOTS, CPU_PACE_MS, HELD_PACE_MS, LONG_BYTES, PACED_EVERY_MS, PACED_SLOTS

PACED_RATE = PACED_SLOTS * 1000 // PACED_EVERY_MS
Row = tuple[str, list[str]]


def markdown(run: Run) -> str:
    """Everything, ready to be pasted into README.md; the bars are the end of it."""
    parts = [_measured(run)]
    parts += [_split(run.titles[name], run.peers[name]) for name in ("ours", "on") if name in run.peers]
    parts += [f"**{title}: no result.** {why}" for title, why in run.failed.items()]
    parts.append("\n".join(f"- {name}: {value}" for name, value in run.facts.items()))
    if {"ours", "on"} & set(run.peers):
        parts.append(_against(["bar", "this run", "at most", ""], against_peers(run)))
        parts.append(
            _against(["bar of the hot path", "this run", "at most", "", "everything on"], of_the_hot_path(run))
        )
    return "\n\n".join(parts) + "\n"


def _measured(run: Run) -> str:
    cells = _Cells(run)
    rows = [
        *_token_rows(run, cells),
        *_first_token_rows(run, cells),
        *_request_rows(cells),
        *_held_rows(run, cells),
        ("idle memory MiB (PSS, all processes)", cells.own(lambda peer: f"{idle_mib(peer):.0f}")),
        ("memory after the loads MiB", cells.own(lambda peer: f"{sum(peer.loaded_mib.values()):.0f}")),
        ("start to first token s", cells.own(lambda peer: f"{peer.start_s:.2f}")),
    ]
    return _table(["", "direct", *(run.titles[name] for name in run.peers)], ([label, *line] for label, line in rows))


class _Cells:
    """A row's cells: of the direct way and all peers, or of the peers only."""

    def __init__(self, run: Run) -> None:
        self._direct, self._peers = run.direct, list(run.peers.values())

    def all(self, cell: Callable[[Loads], str]) -> list[str]:
        return [cell(self._direct), *(cell(peer.loads) for peer in self._peers)]

    def own(self, cell: Callable[[Measurement], str], direct: str = "-") -> list[str]:
        return [direct, *(cell(peer) for peer in self._peers)]


def _token_rows(run: Run, cells: _Cells) -> list[Row]:
    sizes = run.sizes
    offered = sizes.cpu_streams * 1000 / CPU_PACE_MS

    def delivered(load: Loads) -> str:
        rate = load.cpu.window.tokens / load.cpu.window.seconds
        return f"{rate:,.0f}{' (saturated)' if rate < 0.95 * offered else ''}"

    def noise(load: Loads) -> str:
        window = load.cpu.window
        return f"{max(0.0, window.elsewhere_s) / window.seconds:.2f} / {window.stolen_s / window.seconds:.2f}"

    load_name = f"{sizes.cpu_streams} x {1000 // CPU_PACE_MS} tok/s"
    return [
        (f"CPU µs per token, {load_name}", cells.own(lambda peer: f"{cpu_us(peer):.1f}")),
        ("… streams whole", cells.all(lambda load: f"{load.cpu.result.ok:,} of {load.cpu.result.streams:,}")),
        (f"… tokens/s delivered of {offered:,.0f}", cells.all(delivered)),
        (
            "… first token p50 / p99 ms (direct: the provider's own)",
            cells.all(lambda load: _pair(load.cpu.result.first_ms)),
        ),
        (
            "… gap p99 / longest ms",
            cells.all(lambda load: f"{load.cpu.result.gap_ms.p99:.0f} / {load.cpu.result.gap_ms.max:.0f}"),
        ),
        ("… cores busy elsewhere / stolen", cells.all(noise)),
    ]


def _first_token_rows(run: Run, cells: _Cells) -> list[Row]:
    floor, among = floors(run), run.sizes.among
    return [
        (
            "added first token p50 / p99 ms, 1 stream",
            cells.own(
                lambda peer: floor.alone.added(peer.loads.first.alone.first_ms),
                f"({floor.alone.p50:.2f} / {floor.alone.p99:.2f})",
            ),
        ),
        (
            f"added first token p50 / p99 ms, {among} streams",
            cells.own(
                lambda peer: floor.among.added(peer.loads.first.among.first_ms),
                f"({floor.among.p50:.2f} / {floor.among.p99:.2f})",
            ),
        ),
        (
            f"… direct p99 ms just before, 1 / {among} streams",
            cells.own(lambda peer: f"{peer.floor.alone.first_ms.p99:.2f} / {peer.floor.among.first_ms.p99:.2f}"),
        ),
        ("last token to [DONE] p99 ms, 1 stream", cells.all(lambda load: f"{load.first.alone.tail_ms.p99:.2f}")),
        (
            f"first token p50 / p99 ms, prompt of {LONG_BYTES // 4:,} tokens",
            cells.all(lambda load: _pair(load.long.result.first_ms)),
        ),
        (
            "… CPU ms per request",
            cells.own(lambda peer: f"{peer.loads.long.cpu_s * 1000 / peer.loads.long.result.streams:.1f}"),
        ),
    ]


def _request_rows(cells: _Cells) -> list[Row]:
    def cost(load: Steady) -> str:
        return f"{sum(ms_per_request(load).values()):.2f}"

    def served(load: Steady) -> str:
        whole = "" if load.result.ok == load.result.streams else f" ({load.result.streams - load.result.ok} not whole)"
        return f"{requests_per_s(load):,.0f}{whole}"

    return [
        (f"CPU ms per request, {PACED_RATE}/s", cells.own(lambda peer: cost(peer.loads.requests.paced))),
        ("… requests/s", cells.all(lambda load: served(load.requests.paced))),
        (
            f"CPU ms per request, {CLOSED_SLOTS} clients unpaced",
            cells.own(lambda peer: cost(peer.loads.requests.closed)),
        ),
        ("… requests/s", cells.all(lambda load: served(load.requests.closed))),
        (
            "… first token p50 / p99 ms",
            cells.all(lambda load: _pair(load.requests.closed.result.first_ms)),
        ),
    ]


def _held_rows(run: Run, cells: _Cells) -> list[Row]:
    return [
        (
            f"{run.sizes.held} x {1000 // HELD_PACE_MS} tok/s held: whole",
            cells.all(lambda load: f"{load.held.result.ok} of {load.held.result.streams}"),
        ),
        ("… longest gap ms", cells.all(lambda load: f"{load.held.result.gap_ms.max:.0f}")),
        (f"… gaps > {10 * HELD_PACE_MS} ms", cells.all(lambda load: f"{load.held.result.gaps_over_limit:,}")),
        ("… provider's own worst lateness ms", cells.all(lambda load: f"{load.held.lateness_ms:.0f}")),
        ("… memory KiB per stream", cells.own(lambda peer: f"{kib_per_stream(peer):.0f}")),
    ]


def _pair(times: Times) -> str:
    return f"{times.p50:.1f} / {times.p99:.1f}"


def _split(title: str, ours: Measurement) -> str:
    """Our own cost, by process."""
    loads = ours.loads
    columns = {
        "CPU µs per token": (us_per_token(loads.cpu.window), ".1f"),
        f"CPU ms per request, {PACED_RATE}/s": (ms_per_request(loads.requests.paced), ".2f"),
        "… unpaced": (ms_per_request(loads.requests.closed), ".2f"),
        "idle MiB": (ours.idle_mib, ".0f"),
        "loaded MiB": (ours.loaded_mib, ".0f"),
        f"MiB with {loads.held.result.peak_live} streams": (loads.held.open_mib, ".0f"),
    }
    roles = sorted({role(process) for values, _ in columns.values() for process in values})
    rows = (
        [
            name,
            *(
                f"{sum(value for process, value in values.items() if role(process) == name):{form}}"
                for values, form in columns.values()
            ),
        ]
        for name in roles
    )
    return _table([f"{title}: processes", *columns], rows)


def _against(head: list[str], bars: Sequence[Bar]) -> str:
    def number(value: float | None) -> str:
        return "-" if value is None else f"{value:.2f}"

    rows = [[bar.what, number(bar.value), number(bar.limit), bar.verdict, number(bar.on)] for bar in bars]
    return _table(head, (row[: len(head)] for row in rows))


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    cells = [[lines[0][0].ljust(widths[0]), *map(str.rjust, lines[0][1:], widths[1:])], rule]
    cells += [[line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])] for line in lines[1:]]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)
