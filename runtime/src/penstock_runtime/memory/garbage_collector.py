"""Tunes Python's cycle collector for a process that allocates much and creates few reference cycles."""

import gc
from typing import Final

YOUNG_MAX: Final = 10_000
"""New containers before a collection; Python's default of 700 is a few milliseconds of a busy worker."""


def freeze_startup_objects() -> None:
    """Call after start-up: the present objects live as long as the process, and are excluded from collections."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_MAX, *gc.get_threshold()[1:])
