"""The report has a column for each peer, Penstock's processes, and the bars at its end."""

import dataclasses

from loads import Loads
from report import markdown
from unit.support.benchmark_run import loads, result, run, steady, times


def _row(report: str, label: str) -> list[str]:
    line = next(line for line in report.splitlines() if line.startswith(f"| {label} "))
    return [cell.strip() for cell in line.strip("|").split("|")]


def _slow() -> Loads:
    return dataclasses.replace(loads(), cpu=steady(result(times(90.0, 400.0)), 900.0, tokens=8_000))


def test_report_has_a_cell_for_each_peer() -> None:
    report = markdown(run(ours=loads(us=40.0), envoy=loads(us=32.0), tensorzero=loads(us=60.0)))
    assert _row(report, "CPU µs per token, 256 x 50 tok/s")[1:] == ["-", "40.0", "32.0", "60.0"]
    assert _row(report, "CPU ms per request, 60/s")[1:] == ["-", "2.00", "2.00", "2.00"]
    assert _row(report, "first token p50 / p99 ms, prompt of 100,000 tokens")[1] == "20.0 / 30.0"


def test_report_states_memory_per_stream_beyond_the_idle_memory() -> None:
    assert _row(markdown(run(ours=loads())), "… memory KiB per stream")[2] == str(round(4 * 75 * 1024 / 1500))


def test_report_marks_a_peer_that_delivers_less_than_offered() -> None:
    report = markdown(run(ours=loads(), hono=_slow()))
    assert _row(report, "… tokens/s delivered of 12,800")[2:] == ["12,800", "800 (saturated)"]


def test_report_splits_the_cost_by_process() -> None:
    assert _row(markdown(run(ours=loads(us=40.0))), "worker")[1:] == ["10.0", "0.50", "0.25", "25", "50", "100"]


def test_report_ends_with_the_bars_of_the_hot_path() -> None:
    report = markdown(run(ours=loads(us=64.0), envoy=loads(us=32.0)))
    last = report.rstrip().rpartition("\n\n")[2].splitlines()
    assert last[0].startswith("| bar of the hot path ")
    assert _row(report, "CPU per token ÷ Envoy") == ["CPU per token ÷ Envoy", "2.00", "1.05", "MISSED", "-"]
