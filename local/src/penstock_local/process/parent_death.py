"""Ends a child with this process: when this process exits, by `kill -9` too, the kernel kills the child.

Linux only (PR_SET_PDEATHSIG, prctl(2)). Elsewhere the model servers watch their parent themselves; after a `kill -9`
of `penstock dev` the others stay there, each in a process group of its own, until they are ended by hand. A process of
our own that watches was rejected: one more to start, to name and to end, for an event that Ctrl-C is not.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def parent_death_signal() -> Callable[[], None] | None:
    """To run in the child between fork and exec (`preexec_fn`); None where there is no such thing.

    The signal comes when the *thread* that forked ends, so fork from the main one.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def tie() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it exited before the line above
            os._exit(1)

    return tie
