"""State that outlives a run of `penstock dev`: API keys, limits, usage (stores of the broker on disk), the first key.

One run at a time uses a directory: its lock is held until the process ends, however it ends. Two brokers on the same
files would destroy them, so a second run is refused; to take another directory silently was rejected, because its
keys would then be missing in the next run.
"""

import fcntl
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import platformdirs

STORES: Final = "jetstream"
"""nats-server adds this folder to its `store_dir`."""
FIRST_KEY: Final = "first-key"
LOCK: Final = "lock"
_OURS: Final = (STORES, FIRST_KEY)


class StateInUse(Exception):  # noqa: N818 - the message is the whole story
    """Another run holds the directory's lock."""


class StateUnusable(Exception):  # noqa: N818 - the message is the whole story
    """The directory cannot be made or written; the message names it and the reason."""


def default_directory() -> Path:
    """`penstock/dev` in the user's data folder: ~/.local/share on Linux, or XDG_DATA_HOME."""
    return Path(platformdirs.user_data_dir("penstock", appauthor=False)) / "dev"


@contextmanager
def locked(directory: Path) -> Iterator[Path]:
    """The directory, made if it is missing, with its lock held. Raises `StateInUse` and `StateUnusable`."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (directory / LOCK).open("a+")
    except OSError as error:
        raise StateUnusable(f"the state directory {directory} cannot be used: {error.strerror or error}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StateInUse(f"the state directory {directory} is in use by {_holder(directory)}") from error
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield directory


def holder(directory: Path) -> str | None:
    """The process that uses the directory, None if none does."""
    try:
        with (directory / LOCK).open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _holder(directory)
    except OSError:
        return None
    return None


def _holder(directory: Path) -> str:
    with suppress(OSError, ValueError):
        return f"another penstock dev (process {int((directory / LOCK).read_text())})"
    return "another penstock dev"


def kept(directory: Path) -> list[Path]:
    """The files and folders of an earlier run; other files in the directory are not ours."""
    return [directory / name for name in _OURS if (directory / name).exists()]


def reset(directory: Path) -> bool:
    """Delete what earlier runs kept. Returns whether there was anything. Raises `StateInUse`, `StateUnusable`."""
    if not directory.is_dir():
        return False
    with locked(directory):
        found = kept(directory)
        try:
            for path in found:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
            (directory / LOCK).unlink()
        except OSError as error:
            raise StateUnusable(f"{error.filename or directory} cannot be deleted: {error.strerror}") from error
    with suppress(OSError):  # other files are in it, or a run has just begun
        directory.rmdir()
    return bool(found)


def first_key(directory: Path, made: str, environ: Mapping[str, str], variable: str) -> str:
    """The first API key: of the environment, else of an earlier run, else `made`, which is then kept."""
    if variable in environ:
        return environ[variable]
    path = directory / FIRST_KEY
    with suppress(OSError):
        status = path.lstat()
        if stat.S_ISREG(status.st_mode) and status.st_uid == os.getuid() and (text := path.read_text("utf-8").strip()):
            return text
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(f"{made}\n")
    return made


def used_bytes(directory: Path) -> int:
    """Bytes that the stores of earlier runs occupy; this space counts as free for the next one."""
    total = 0
    for path in (directory / STORES).rglob("*"):
        with suppress(OSError):
            status = path.lstat()
            total += status.st_size if stat.S_ISREG(status.st_mode) else 0
    return total
