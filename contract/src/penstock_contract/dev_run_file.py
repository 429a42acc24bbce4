"""The file by which a command finds the `penstock dev` that runs on this machine, in the run's own directory.

Written by `penstock dev`, read by `penstock keys`, `top` and `usage`. The file holds the admin token: only its user
may read it. A reader accepts only a file that its user owns, as every user may write to the temporary directory.
"""

import fcntl
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

RUN_PREFIX: Final = "penstock-dev-"
LOCK_FILE: Final = "lock"
"""Held by the run that the directory belongs to, for as long as it lives."""
ADMIN_FILE: Final = "admin.json"


class AdminAddress(msgspec.Struct, frozen=True):
    url: str
    token: str


def write(directory: Path, address: AdminAddress) -> None:
    """Write `address` where `find_running` looks for it."""
    descriptor = os.open(directory / ADMIN_FILE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(address))


def find_running(parent: Path | None = None) -> list[AdminAddress]:
    """The admin APIs of this user's runs that are alive."""
    addresses = []
    for directory in sorted((parent or Path(tempfile.gettempdir())).glob(f"{RUN_PREFIX}*")):
        with suppress(OSError, msgspec.DecodeError):
            file = directory / ADMIN_FILE
            ours = os.getuid() == directory.lstat().st_uid == file.lstat().st_uid
            if ours and _locked(directory / LOCK_FILE):
                addresses.append(msgspec.json.decode(file.read_bytes(), type=AdminAddress))
    return addresses


def _locked(path: Path) -> bool:
    with path.open("r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False
