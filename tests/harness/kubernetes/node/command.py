"""A command that has to succeed: its output is kept for its failure."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path


def call(*command: str | Path, variables: Mapping[str, str] | None = None) -> str:
    """Its output; RuntimeError with the ends of its outputs."""
    env = {**os.environ, **(variables or {})}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        words = " ".join(map(str, command))
        raise RuntimeError(f"{words}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return done.stdout
