"""A command finds the running `penstock dev` of its own user, and ignores files of other users."""

import fcntl
import os
import stat
from pathlib import Path

import pytest

from penstock_contract.dev_run_file import ADMIN_FILE, LOCK_FILE, RUN_PREFIX, AdminAddress, find_running, write

HERE = AdminAddress("http://127.0.0.1:1", "secret")


def _run(parent: Path, name: str = "a") -> Path:
    directory = parent / f"{RUN_PREFIX}{name}"
    directory.mkdir()
    (directory / LOCK_FILE).touch()
    write(directory, HERE)
    return directory


def test_run_file_of_a_live_run_is_found(tmp_path: Path) -> None:
    with (_run(tmp_path) / LOCK_FILE).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert find_running(tmp_path) == [HERE]


def test_run_file_of_an_ended_run_is_ignored(tmp_path: Path) -> None:
    _run(tmp_path)
    assert find_running(tmp_path) == []


def test_run_file_is_readable_by_its_user_only(tmp_path: Path) -> None:
    mode = stat.S_IMODE((_run(tmp_path) / ADMIN_FILE).stat().st_mode)
    assert mode == 0o600


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file to another user")
def test_run_file_of_another_user_is_ignored(tmp_path: Path) -> None:
    with (_run(tmp_path) / LOCK_FILE).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.chown(tmp_path / f"{RUN_PREFIX}a" / ADMIN_FILE, 12_345, 12_345)
        assert find_running(tmp_path) == []


def test_run_file_with_invalid_content_is_ignored(tmp_path: Path) -> None:
    directory = _run(tmp_path)
    (directory / ADMIN_FILE).write_text("{")
    with (directory / LOCK_FILE).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert find_running(tmp_path) == []
