"""Requirements of a node: Linux, root, and the packages of packages.txt. The check installs nothing."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

PACKAGES = Path(__file__).with_name("packages.txt")


def missing() -> str:
    """The requirement that this machine lacks, as a message; empty if it can be a node."""
    if sys.platform != "linux":
        return "they need Linux: a node is made of its namespaces"
    if os.geteuid() != 0:
        return "they need root: a node mounts, and has a network of its own"
    if lacking := lacking_packages():
        return f"this machine lacks packages: apt-get install {' '.join(lacking)}"
    return ""


def lacking_packages() -> Sequence[str]:
    rows = (line.split() for line in PACKAGES.read_text().splitlines() if not line.startswith("#"))
    return [package for package, file in rows if not Path(file).exists()]
