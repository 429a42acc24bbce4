"""A private directory for one run, gone afterwards; what a run that was killed left behind goes with the next.

Whether a directory is in use is told by a lock on a file in it, which the kernel takes back whatever happens.
"""

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from penstock_contract.laptop import LOCK_FILE, RUN_PREFIX


@contextmanager
def run_directory() -> Iterator[Path]:
    """Readable only by this user."""
    _sweep(Path(tempfile.gettempdir()))
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
