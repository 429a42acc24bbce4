"""The outcome of each fault, and the table of all outcomes at the end of the run."""

from collections.abc import Sequence

import msgspec
import pytest
from msgspec import Struct

LIMIT_S = 10.0
"""Seconds within which a fault is reported after it begins, and no longer reported after its cure."""
WORDS_MAX = 90
PROPERTY = "fault"
"""Of a test's report: its `Outcome`."""


class Outcome(Struct):
    """Times in seconds: `reported_s` after the fault, None without a report, `cleared_s` after its cure.

    `report` is the condition or Event, and its text. `cure` is empty for a fault that the operator repairs.
    `error` is the reason why the case did not complete.
    """

    fault: str
    report: str = ""
    reported_s: float | None = None
    cure: str = ""
    cleared_s: float | None = None
    error: str = ""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table of all, wherever their tests ran."""
    reports = [one for found in terminalreporter.stats.values() for one in found if isinstance(one, pytest.TestReport)]
    properties = [value for one in reports if one.when == "call" for value in one.user_properties]
    outcomes = [msgspec.convert(value, Outcome) for name, value in properties if name == PROPERTY]
    if outcomes:
        terminalreporter.section(f"injected faults ({len(outcomes)}), seconds until reported and until cleared")
        for line in table(outcomes):
            terminalreporter.write_line(line)


def table(outcomes: Sequence[Outcome]) -> list[str]:
    """In Markdown, so that it can be put into a document."""
    lines = ["| fault | report | after | cure | clear after |", "|---|---|--:|---|--:|"]
    for one in outcomes:
        report = _short(one.report if not one.error else f"FAILED: {one.error}")
        lines.append(f"| {one.fault} | {report} | {_time(one.reported_s)} | {one.cure} | {_time(one.cleared_s)} |")
    return lines


def _time(seconds: float | None) -> str:
    return "" if seconds is None else f"{max(0.0, seconds):.1f}"


def _short(words: str) -> str:
    line = " ".join(words.replace("|", "/").split())
    return line if len(line) <= WORDS_MAX else f"{line[: WORDS_MAX - 1]}…"
