"""A run's directory goes with the run, and with the next one if the run was killed."""

import tempfile
from pathlib import Path

import pytest

from penstock_local.run_directory import run_directory


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_it_is_private_and_gone_afterwards() -> None:
    with run_directory() as directory:
        assert directory.stat().st_mode & 0o777 == 0o700
        (directory / "file").touch()
    assert not directory.exists()


def test_what_a_killed_run_left_is_removed_and_a_living_one_is_not(tmp_path: Path) -> None:
    left = tmp_path / "penstock-dev-left"
    left.mkdir()
    (left / "lock").touch()
    with run_directory() as living, run_directory():
        assert not left.exists()
        assert living.exists()
