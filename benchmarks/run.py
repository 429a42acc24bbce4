"""Penstock beside its peers: one run, one box, one provider, one peer at a time. README.md has the method.

Exit status 1 means that a stream was wrong or a peer could not be measured. A missed bar is printed and changes no exit
status: speed depends on the box, correctness does not.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import platform
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import install
from bars import against_peers, of_the_hot_path
from collector import collecting
from figures import Run
from measure import Bench, Measurement
from paced import Provider
from peers import PEERS, Metered, Peer
from peers.ours import Before, new_key
from report import markdown
from sizes import FULL, QUICK


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", default=",".join(PEERS), help="which, in which order (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="a smoke test: short loads, numbers not worth quoting")
    parser.add_argument(
        "--before", type=Path, metavar="CHECKOUT", help="a version before: its short requests are measured, too"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    options = parser.parse_args()
    unknown = [name for name in options.peers.split(",") if name not in PEERS]
    if unknown:
        parser.error(f"unknown peers: {', '.join(unknown)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that whatever ends us, what we started ends, too
    with install.locked(), tempfile.TemporaryDirectory(prefix="penstock-bench-") as work:
        run = measure(options.peers.split(","), options.before, quick=options.quick, work=Path(work))
    print(markdown(run))
    if options.json:
        bars = [*against_peers(run), *of_the_hot_path(run)]
        verdicts = [{**dataclasses.asdict(bar), "verdict": bar.verdict} for bar in bars]
        options.json.write_text(json.dumps({**dataclasses.asdict(run), "bars": verdicts}, indent=1))
    return 1 if run.failed else 0


def measure(names: list[str], before: Path | None, *, quick: bool, work: Path) -> Run:
    binary = install.load_binary()
    chosen = [PEERS[name] for name in names]
    earlier = Before(before) if before else None
    everyone = [*([earlier] if earlier else []), *chosen]
    for peer in everyone:
        peer.install()
    facts = machine()
    facts["size"] = "quick: a smoke test, not a measurement" if quick else "full"
    facts |= {peer.title: peer.version() for peer in everyone}
    measured: dict[str, Measurement] = {}
    failed: dict[str, str] = {}
    sizes = QUICK if quick else FULL
    earlier_requests = None
    with collecting(binary) as collector, contextlib.ExitStack() as stack:
        provider = Provider(binary, work)
        stack.callback(provider.tree.stop)
        bench = Bench(binary, work, provider, sizes, new_key(), collector.url)
        install.print_line("direct")
        direct = bench.direct()
        if earlier:
            with kept_going(earlier, failed):
                earlier_requests = bench.requests(earlier)
        for peer in chosen:
            with kept_going(peer, failed):
                measured[peer.name] = bench.peer(peer)
                if peer.name == Metered.name:
                    collector.check()
    titles = {peer.name: peer.title for peer in chosen}
    return Run(facts, sizes, titles, direct, measured, failed, earlier_requests)


@contextlib.contextmanager
def kept_going(peer: Peer, failed: dict[str, str]) -> Iterator[None]:
    """One peer's failure must not lose the others' minutes; it is printed and fails the run."""
    install.print_line(peer.title)
    try:
        yield
    except Exception as error:  # noqa: BLE001  whatever it was
        failed[peer.title] = "\n".join([str(error), *getattr(error, "__notes__", [])])
        install.print_line(f"  FAILED: {failed[peer.title]}")


def machine() -> dict[str, str]:
    """Conditions of the run, besides the code."""
    cpuinfo = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(": ")[2] for line in cpuinfo if line.startswith("model name")), platform.machine())
    go = subprocess.run(["go", "env", "GOVERSION"], check=True, capture_output=True, text=True).stdout.strip()
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "machine": f"{model}, {os.cpu_count()} cores, Linux {platform.release()}",
        "load at the start": f"{os.getloadavg()[0]:.1f}",
        "Python": python(),
        "provider and client": go,
    }


def python() -> str:
    """Of the harness, which is also Penstock's."""
    from penstock_local import interpreter  # noqa: PLC0415 - only in the project's environment

    lacks = interpreter.missing(sysconfig.get_config_vars())
    return platform.python_version() + (f", built without {' and '.join(lacks)}" if lacks else "")


if __name__ == "__main__":
    sys.exit(main())
