"""The harness of `make bench`: its provider and client, and short requests on a real stack with everything on."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import install
import pytest
from collector import collecting
from figures import ms_per_request, role
from measure import Bench
from paced import Provider
from peers import PEERS
from peers.ours import new_key
from sizes import QUICK

pytestmark = pytest.mark.skipif(shutil.which("go") is None, reason="Go builds the provider and the client")


def test_benchmark_client_detects_wrong_streams() -> None:
    done = subprocess.run(
        ["go", "test", "./..."], cwd=install.HERE / "load", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_benchmark_measures_requests_with_everything_on(tmp_path: Path) -> None:
    sizes = replace(QUICK, request_warm="500ms", request_window="1s")
    binary = install.load_binary()
    with install.locked(), collecting(binary) as collector:
        provider = Provider(binary, tmp_path)
        try:
            bench = Bench(binary, tmp_path, provider, sizes, new_key(), collector.url)
            measured = bench.requests(PEERS["on"])
        finally:
            provider.tree.stop()
        collector.check()
    for load in (measured.paced, measured.closed):
        assert (load.result.ok, load.result.wrong) == (load.result.streams, 0)
        spent = {role(process): ms for process, ms in ms_per_request(load).items()}
        assert min(spent["gateway"], spent["worker"]) > 0
