"""Usage rows under random kills -9 of gateways and workers: real processes, a scripted provider with its own log.

    .venv/bin/python benchmarks/kills.py [--requests 1000] [--seed 1]

Prints the table; exit status 1 if a row is missing, double or open, or tokens differ by more than 1 %.
"""

import argparse
import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from harness.kills import Plan, run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    report = asyncio.run(run(Plan(seed=options.seed, requests=options.requests)))
    print(report.table())
    return 0 if report.good else 1


if __name__ == "__main__":
    sys.exit(main())
