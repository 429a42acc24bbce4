"""Requests under a random mix of kills, pauses, restarts, client disconnects and broken provider streams.

    make chaos                                   # five minutes
    make chaos ARGS="--seconds 60 --seed 7"

Prints the table; exit status 1 if one of the numbers that must be 0 is not.
"""

import argparse
import asyncio
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from harness.chaos.plan import Plan
from harness.chaos.run import run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clients", type=int, default=30)
    parser.add_argument("--keep", type=Path, help="copy the processes' logs to this directory")
    options = parser.parse_args()

    def keep(directory: Path) -> None:
        if options.keep is not None:
            shutil.copytree(directory, options.keep, dirs_exist_ok=True, ignore=shutil.ignore_patterns("jetstream"))

    plan = Plan(seed=options.seed, seconds=options.seconds, clients=options.clients)
    report = asyncio.run(run(plan, keep))
    print(report.table())
    return 0 if report.good else 1


if __name__ == "__main__":
    sys.exit(main())
