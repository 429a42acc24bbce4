"""Sizes the broker's stores: their default, or a share of the free disk space. Pure."""

import shutil
from pathlib import Path
from typing import Final

import msgspec

MIB: Final = 1024 * 1024
FREE_BYTES_MIN: Final = 16 * MIB
STORE_BYTES_MIN: Final = MIB
_SHARE: Final = 0.5
"""Of what is free; the rest is for the log, the bundled models' files and whatever else writes there."""


class NoSpace(Exception):  # noqa: N818 - the message is the whole information
    """The directory has too little space; the message names it, what it needs and what it has."""


class StoreSizes(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes of each store on disk; the broker sets them aside when it makes the store."""

    usage: int = 64 * MIB
    keys: int = 64 * MIB
    limits: int = 64 * MIB
    gateways: int = 4 * MIB

    @property
    def total(self) -> int:
        return self.usage + self.keys + self.limits + self.gateways


def free_bytes(directory: Path) -> int:
    return shutil.disk_usage(directory).free


def store_sizes(directory: Path, free: int) -> StoreSizes:
    """Raises `NoSpace`."""
    if free < FREE_BYTES_MIN:
        raise NoSpace(
            f"{directory.parent} has {free / MIB:.1f} MiB of free space, and at least {FREE_BYTES_MIN // MIB} MiB are"
            " needed; free some, or set TMPDIR to another directory"
        )
    wanted = StoreSizes()
    share = min(1.0, free * _SHARE / wanted.total)
    return StoreSizes(
        **{
            field.name: max(STORE_BYTES_MIN, int(getattr(wanted, field.name) * share))
            for field in msgspec.structs.fields(StoreSizes)
        }
    )
