"""Changes of the servers while streams were open, the outcome of the streams, and their table after the run."""

from collections import Counter
from collections.abc import Sequence

import msgspec
import pytest
from harness.streams.reader import Ending
from msgspec import Struct

PROPERTY = "story"
"""Attribute of a test's report with its `StreamReport`."""
NOTE = "note"
"""Of a test's report: a line to be printed as it is."""


class StreamReport(Struct, frozen=True, kw_only=True):
    """`open`: streams that were open at the change; `streams`: those and the ones that began meanwhile.

    `ended` counts the incomplete ones by their error. `seconds` is the duration of the change,
    `served_s` the time from a kill to the answer of a new request, and `woken_s` that of a route without workers.
    """

    name: str
    open: int
    streams: int
    whole: int
    ended: dict[str, int]
    seconds: float
    served_s: float | None = None
    woken_s: float | None = None

    @classmethod
    def of(
        cls,
        name: str,
        endings: Sequence[Ending],
        *,
        open_: int,
        seconds: float,
        served_s: float | None = None,
        woken_s: float | None = None,
    ) -> "StreamReport":
        errors = Counter(ending.error for ending in endings)
        whole = errors.pop("", 0)
        return cls(
            name=name,
            open=open_,
            streams=len(endings),
            whole=whole,
            ended=dict(errors),
            seconds=seconds,
            served_s=served_s,
            woken_s=woken_s,
        )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints the table of all reports."""
    reports = [one for found in terminalreporter.stats.values() for one in found if isinstance(one, pytest.TestReport)]
    properties = [value for one in reports if one.when == "call" for value in one.user_properties]
    stream_reports = [msgspec.convert(value, StreamReport) for name, value in properties if name == PROPERTY]
    for note in (str(value) for name, value in properties if name == NOTE):
        terminalreporter.section("from zero")
        terminalreporter.write_line(note)
    if stream_reports:
        terminalreporter.section("streams during changes of the servers")
        for line in table(stream_reports):
            terminalreporter.write_line(line)


def table(stream_reports: Sequence[StreamReport]) -> list[str]:
    """The table in Markdown."""
    lines = [
        "| change | open | streams | complete | incomplete | duration | served again after | from zero after |",
        "|---|--:|--:|--:|---|--:|--:|--:|",
    ]
    for one in stream_reports:
        ended = ", ".join(f"{count} {error}" for error, count in sorted(one.ended.items())) or "0"
        times = " | ".join(map(_time, (one.seconds, one.served_s, one.woken_s)))
        lines.append(f"| {one.name} | {one.open} | {one.streams} | {one.whole} | {ended} | {times} |")
    return lines


def _time(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f} s"
