"""Penstock beside its peers: one run, one box, one provider, one peer at a time. README.md has the method.

Exit status 1 means that a stream was wrong or a peer could not be measured. A missed bar is printed, not punished:
speed depends on the box, correctness does not.
"""

import argparse
import dataclasses
import json
import os
import platform
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import install
from measure import FULL, QUICK, Bench, Measurement
from paced import Provider
from peers import PEERS
from report import Run, bars, markdown


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", default=",".join(PEERS), help="which, in which order (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="a smoke test: short loads, numbers not worth quoting")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    options = parser.parse_args()
    unknown = [name for name in options.peers.split(",") if name not in PEERS]
    if unknown:
        parser.error(f"unknown peers: {', '.join(unknown)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that whatever ends us, what we started ends, too
    with install.locked(), tempfile.TemporaryDirectory(prefix="penstock-bench-") as work:
        run = measure(options.peers.split(","), quick=options.quick, work=Path(work))
    print(markdown(run))
    if options.json:
        verdicts = [{**dataclasses.asdict(bar), "verdict": bar.verdict} for bar in bars(run)]
        options.json.write_text(json.dumps({**dataclasses.asdict(run), "bars": verdicts}, indent=1))
    return 1 if run.failed else 0


def measure(names: list[str], *, quick: bool, work: Path) -> Run:
    binary = install.load_binary()
    chosen = [PEERS[name] for name in names]
    for peer in chosen:
        peer.install()
    facts = machine()
    facts["size"] = "quick: a smoke test, not a measurement" if quick else "full"
    facts |= {peer.title: peer.version() for peer in chosen}
    measured: dict[str, Measurement] = {}
    failed: dict[str, str] = {}
    provider = Provider(binary, work)
    try:
        bench = Bench(binary, work, provider, QUICK if quick else FULL, key=f"sk-{secrets.token_hex(32)}")
        install.print_line("direct")
        direct = bench.direct()
        for peer in chosen:
            install.print_line(peer.title)
            try:
                measured[peer.name] = bench.peer(peer)
            except Exception as error:  # noqa: BLE001  one peer's failure must not lose the others' minutes; it is printed and fails the run
                failed[peer.title] = "\n".join([str(error), *getattr(error, "__notes__", [])])
                install.print_line(f"  FAILED: {failed[peer.title]}")
    finally:
        provider.tree.stop()
    return Run(facts, bench.sizes, {peer.name: peer.title for peer in chosen}, direct, measured, failed)


def machine() -> dict[str, str]:
    """Conditions of the run, besides the code."""
    cpuinfo = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(": ")[2] for line in cpuinfo if line.startswith("model name")), platform.machine())
    go = subprocess.run(["go", "env", "GOVERSION"], check=True, capture_output=True, text=True).stdout.strip()
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "machine": f"{model}, {os.cpu_count()} cores, Linux {platform.release()}",
        "load at the start": f"{os.getloadavg()[0]:.1f}",
        "Python": platform.python_version(),
        "provider and client": go,
    }


if __name__ == "__main__":
    sys.exit(main())
