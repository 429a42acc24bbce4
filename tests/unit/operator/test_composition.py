"""The composition root: it builds every part without a connection, and a new process is a standby."""

import os
from pathlib import Path

from penstock_operator import composition
from penstock_operator.kube.resources import WATCHED
from penstock_operator.settings import OperatorSettings
from penstock_runtime.clock import ManualClock
from penstock_runtime.telemetry.setup import configure


async def test_wiring_builds_a_standby_that_is_live_and_not_ready(tmp_path: Path) -> None:
    settings = OperatorSettings(namespaces="a,b", worker_image="w", probe_port=0)
    environ = {"KUBECONFIG": os.fspath(tmp_path / "missing"), "OTEL_SDK_DISABLED": "true"}
    parts = composition.build(settings, environ, configure("test", environ, prometheus=False), ManualClock())
    assert parts.probes.answer("/livez")[0] == 200
    assert parts.probes.answer("/readyz")[:2] == (503, b"no leader is known yet\n")
    assert parts.resync.served() == {"a": False, "b": False}
    assert len(parts.resync.missing.split(", ")) == 2 * len(WATCHED)
    assert not parts.election.leading()
    assert parts.autoscaler.demand() == {}
