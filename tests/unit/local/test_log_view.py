"""The terminal shows each cause once; the file has all lines, and is kept after a failed run."""

import io
from pathlib import Path

import pytest

from penstock_local.terminal.log_view import SAME_CAUSE_S, LogView


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def log_view(tmp_path: Path, clock: Clock, out: io.StringIO) -> LogView:
    (tmp_path / "run").mkdir()
    return LogView(out, tmp_path / "run" / "penstock.log", verbose=False, colour=False, now=clock)


def _event(event: str, level: str = "warning") -> str:
    return f'{{"event":"{event}","level":"{level}"}}'


def test_log_view_shows_a_burst_of_one_cause_as_one_line_per_source(
    log_view: LogView, clock: Clock, out: io.StringIO, tmp_path: Path
) -> None:
    for event in ("broker.error", "broker.disconnected", "broker.error"):
        log_view.log("gateway", _event(event))
    log_view.log("worker a", _event("broker.error"))
    clock.now += SAME_CAUSE_S
    log_view.log("gateway", _event("broker.error"))
    log_view.close()

    shown = ["gateway: warning: broker.error", "worker a: warning: broker.error", "gateway: warning: broker.error"]
    assert out.getvalue().splitlines() == shown
    assert len((tmp_path / "run" / "penstock.log").read_text().splitlines()) == 5


def test_log_view_shows_all_errors_and_plain_text(log_view: LogView, out: io.StringIO) -> None:
    for line in (_event("worker.failed", "error"), _event("worker.failed", "error"), "Traceback:", "Traceback:"):
        log_view.log("worker a", line)
    log_view.close()

    assert len(out.getvalue().splitlines()) == 4


def test_log_view_keeps_a_log_beyond_its_directory(log_view: LogView, out: io.StringIO, tmp_path: Path) -> None:
    log_view.keep("gateway", "it went wrong")
    log_view.close(keep_in=tmp_path)

    kept = tmp_path / "run.log"
    assert kept.read_text() == "gateway: it went wrong\n"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert out.getvalue() == f"The log is kept in {kept}\n"


def test_log_view_does_not_keep_an_empty_log(log_view: LogView, tmp_path: Path) -> None:
    log_view.close(keep_in=tmp_path)

    assert not (tmp_path / "run.log").exists()


def test_log_view_continues_without_a_writable_log(clock: Clock, out: io.StringIO, tmp_path: Path) -> None:
    full = tmp_path / "full.log"
    full.symlink_to("/dev/full")
    log_view = LogView(out, full, verbose=False, colour=False, now=clock)
    for _ in range(3):
        log_view.keep("gateway", "a line")
    log_view.close(keep_in=tmp_path)

    (warning, count) = out.getvalue().splitlines()
    assert "the log cannot be written (No space left on device): lines are lost" in warning
    assert count == "3 log lines could not be written"


def test_log_view_shows_a_childs_escape_sequence_escaped(log_view: LogView, out: io.StringIO) -> None:
    log_view.log("worker a", "Traceback \x1b]0;title\x07")
    log_view.close()
    assert out.getvalue() == "worker a: Traceback \\x1b]0;title\\x07\n"
