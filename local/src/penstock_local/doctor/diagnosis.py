"""One result of `penstock doctor`: what was looked at, what was found, what to do. Pure."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from penstock_local.terminal.printable import printable


class Diagnosis(msgspec.Struct, frozen=True):
    """`check` is a constant name for programs; `found` and `advice` are for people. A problem makes the exit code 1."""

    check: str
    state: Literal["ok", "warning", "problem"]
    found: str
    advice: str = ""


def ok(check: str, found: str) -> Diagnosis:
    return Diagnosis(check, "ok", found)


def warning(check: str, found: str, advice: str) -> Diagnosis:
    return Diagnosis(check, "warning", found, advice)


def problem(check: str, found: str, advice: str) -> Diagnosis:
    return Diagnosis(check, "problem", found, advice)


def render(findings: Sequence[Diagnosis]) -> str:
    """A line for each, and one below with the advice."""
    width = max(len(finding.check) for finding in findings)
    lines = []
    for finding in findings:
        lines.append(f"{finding.state:7}  {finding.check:{width}}  {printable(finding.found)}")
        if finding.advice:
            lines.append(f"{'':7}  {'':{width}}  -> {printable(finding.advice)}")
    problems = sum(finding.state == "problem" for finding in findings)
    warnings = sum(finding.state == "warning" for finding in findings)
    lines += ["", f"{_count(problems, 'problem')}, {_count(warnings, 'warning')}"]
    return "\n".join(lines) + "\n"


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"
