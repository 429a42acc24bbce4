"""A run's directory is removed at its end, or by the next run if the run was killed."""

import os
import tempfile
from pathlib import Path

import pytest

from penstock_local.run_directory import LOGS_KEPT, LOGS_KEPT_S, run_directory


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_run_directory_is_private_and_removed_at_the_end() -> None:
    with run_directory() as directory:
        assert directory.stat().st_mode & 0o777 == 0o700
        (directory / "file").touch()
    assert not directory.exists()


def test_run_directory_of_a_killed_run_is_removed_and_of_a_live_run_kept(tmp_path: Path) -> None:
    left = tmp_path / "penstock-dev-left"
    left.mkdir()
    (left / "lock").touch()
    with run_directory() as living, run_directory():
        assert not left.exists()
        assert living.exists()


def test_run_directory_bounds_kept_logs_by_number_and_age(tmp_path: Path) -> None:
    now = tmp_path.stat().st_mtime
    for age in range(LOGS_KEPT + 20):
        log = tmp_path / f"penstock-dev-{age}.log"
        log.touch()
        os.utime(log, (now - age, now - age))
    old = tmp_path / "penstock-dev-0.log"
    os.utime(old, (now - LOGS_KEPT_S - 60, now - LOGS_KEPT_S - 60))
    other = tmp_path / "other.log"
    other.touch()
    with run_directory():
        left = {path.name for path in tmp_path.glob("*.log")}
    assert left == {"other.log", *(f"penstock-dev-{age}.log" for age in range(1, LOGS_KEPT + 1))}
