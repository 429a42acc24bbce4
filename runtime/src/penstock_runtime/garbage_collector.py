"""Python's cycle collector, told what kind of process this is: it makes and drops much, and hardly ever in cycles."""

import gc
from typing import Final

YOUNG_MAX: Final = 10_000
"""Containers made and not dropped before it looks; Python's own 700 are a few milliseconds of a busy worker."""


def freeze_startup_objects() -> None:
    """Call once all is set up: what lives now lives as long as the process, and is not looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_MAX, *gc.get_threshold()[1:])
