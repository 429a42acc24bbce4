"""Streams over all dialects, each cut one to five times at random bytes and read on at another gateway.

    .venv/bin/python benchmarks/cut_streams.py [--streams 1000] [--seed 15] [--kills]

With `--kills` the three gateways are killed (SIGKILL) at random meanwhile, one at a time, and started again. Prints the
table; exit status 1 if a stream differs by a byte from an undisturbed one, its provider was not called exactly once, or
it has not exactly one usage record.
"""

import argparse
import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from harness.cut_streams import Plan, run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=15)
    parser.add_argument("--kills", action="store_true", help="kill a gateway after every 8 to 25 streams")
    options = parser.parse_args()
    kills = (8, 25) if options.kills else None
    report = asyncio.run(run(Plan(options.streams, options.seed, kills)))
    print(report.table())
    for line in report.wrong:
        print(f"WRONG: {line}")
    return 0 if report.good else 1


if __name__ == "__main__":
    sys.exit(main())
