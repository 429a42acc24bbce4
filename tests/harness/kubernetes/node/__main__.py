"""A node for one command, and the ways into a node: `python -m harness.kubernetes.node run -- COMMAND…`.

    run -- COMMAND    COMMAND in namespaces of its own, with the images at hand; afterwards nothing is left of them
    enter -- COMMAND  COMMAND within the node that `make cluster` keeps up

The others are this module's own: `first` and `serve` within the namespaces, `tidy` beside them.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.kubernetes import binaries
from harness.kubernetes.node import images, keeping, namespace, requirement
from harness.kubernetes.node.images import Store
from harness.kubernetes.node.leftovers import Leftovers
from harness.kubernetes.node.namespace import Inside
from harness.kubernetes.node.run import Run
from harness.kubernetes.node.stopwatch import print_line

WANTED = "PENSTOCK_TEST_NODE"
"""`required`: a machine that cannot be a node is an error."""


def run(command: Sequence[str]) -> int:
    if os.environ.get(binaries.GIVEN):
        os.execvp(command[0], [*command])
    if why := requirement.missing():
        if os.environ.get(WANTED) == "required":
            sys.exit(f"tests/pods cannot run: {why}")
        print_line(f"tests/pods: SKIPPED, {why}")
        return 0
    store = prepare()
    run = Run.begin()
    try:
        (run.path / "images").write_text(store.tag)
        inside = Inside(run, command)
        leftovers = Leftovers(run, inside.pid)
        code = inside.wait()
    finally:
        run.end()
    if left := list(leftovers.found()):
        print_line("\n".join(["This was left behind:", *left]))
    return code or (1 if left else 0)


def prepare() -> Store:
    """Builds the parts of a node."""
    binaries.build(*(name for name in binaries.TOOLS if name not in binaries.BY_NAME))
    return images.prepare()


def main(arguments: Sequence[str]) -> int:
    match arguments:
        case ["run", "--", *command] if command:
            return run(command)
        case ["enter", "--", *command] if command:
            keeping.enter(command)
        case ["first", *command]:
            return namespace.first(command)
        case ["serve"]:
            keeping.serve()
        case ["tidy", path]:
            Run(Path(path)).tidy()
        case _:
            sys.exit(__doc__)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (binaries.MissingToolchainError, subprocess.CalledProcessError, RuntimeError) as error:
        sys.exit(f"harness.kubernetes.node: {error}")
