"""Two checkouts at the same moment: what a change does to the CPU per token, whatever the box does meanwhile.

    .venv/bin/python benchmarks/versions.py ../before [--rounds 3] [--streams 150]

Each is `penstock dev` out of its checkout's own `.venv` (after `make setup` there), this one second. Both are loaded at
once, so that what a box takes away hits both: the same code twice comes out within 1 %, in turns within 20 %.
"""

import argparse
import signal
import statistics
import sys
from functools import partial
from pathlib import Path

import paced
from abreast import Way, abreast, at_once, cpu
from peers import REPOSITORY, Ours, Place
from procs import Tree

KEY = "sk-" + "0" * 64


def start(repository: Path, work: Path, provider: int) -> Way:
    work.mkdir()
    port = paced.free_port()
    ours = Ours()
    ours.executable = repository.resolve() / ".venv" / "bin" / "penstock"
    tree = Tree(
        ours.command(Place(work, port, provider, KEY)).argv,
        env={"TMPDIR": str(work), "XDG_DATA_HOME": str(work)},
        cwd=work,
        log=work / "log",
    )
    paced.await_first_token(port, KEY, tree)
    return Way(str(repository), tree, port, KEY)


def measure(other: Path, rounds: int, streams: int) -> None:
    with abreast(partial(start, other), partial(start, REPOSITORY)) as (binary, ways):
        print("| CPU per token, µs | before | now | now ÷ before |\n|---|--:|--:|--:|")
        for number in range(rounds):
            at_once(lambda way: cpu(binary, way, "15s", streams), ways if number % 2 == 0 else ways[::-1])
            before, now = (way.cpu_us[-1] for way in ways)
            print(f"| round {number + 1} | {before:.1f} | {now:.1f} | {now / before:.3f} |", flush=True)
    ratios = [now / before for before, now in zip(*(way.cpu_us for way in ways), strict=True)]
    print(f"| median of the ratios | | | {statistics.median(ratios):.3f} |")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path, help="a checkout with the version before")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--streams", type=int, default=150, help="of each; 120 and more make a worker a busy one")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that whatever ends us, what we started ends, too
    measure(options.other, options.rounds, options.streams)
    return 0


if __name__ == "__main__":
    sys.exit(main())
