"""Of all tests: the processes in which xdist runs them end at once with the run, also by `kill -9`."""

import ctypes
import os
import signal
import sys

import pytest

PR_SET_PDEATHSIG = 1
"""prctl(2)"""


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput") and sys.platform == "linux":
        # They would go on for up to fifteen seconds, and so would what they have started: it is on their leash.
        controller = os.getppid()
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != controller:  # it exited before the line above
            os.kill(os.getpid(), signal.SIGKILL)
