"""A private directory for one run, deleted afterwards; the next run deletes those that earlier runs left.

A directory in use has a locked file; the kernel releases the lock when the process ends for any reason.
"""

import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from penstock_contract.dev_run_file import LOCK_FILE, RUN_PREFIX

LOGS_KEPT: Final = 10
"""Of runs that had trouble, the newest."""
LOGS_KEPT_S: Final = 7 * 86_400.0


@contextmanager
def run_directory() -> Iterator[Path]:
    """Readable only by this user."""
    parent = Path(tempfile.gettempdir())
    _sweep(parent)
    _sweep_logs(parent, time.time())
    with tempfile.TemporaryDirectory(prefix=RUN_PREFIX, ignore_cleanup_errors=True) as name:
        directory = Path(name)
        with (directory / LOCK_FILE).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield directory


def _sweep(parent: Path) -> None:
    for directory in parent.glob(f"{RUN_PREFIX}*"):
        with suppress(OSError), (directory / LOCK_FILE).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(directory, ignore_errors=True)


def _sweep_logs(parent: Path, now: float) -> None:
    """Remove this user's kept logs that are old or too many."""
    kept: list[tuple[float, Path]] = []
    for path in parent.glob(f"{RUN_PREFIX}*.log"):
        with suppress(OSError):
            status = path.lstat()
            if stat.S_ISREG(status.st_mode) and status.st_uid == os.getuid():
                kept.append((status.st_mtime, path))
    for position, (written_at, path) in enumerate(sorted(kept, reverse=True)):
        if position >= LOGS_KEPT or now - written_at > LOGS_KEPT_S:
            with suppress(OSError):
                path.unlink()
