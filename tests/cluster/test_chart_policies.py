"""checkov finds nothing in the chart's or a worker's objects, but for what .checkov.yaml and this file excuse."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from unit.support.routes import UID, spec

from penstock_contract.route.pod.containers import ResourcesSpec
from penstock_operator.reconcile import manifests
from penstock_operator.reconcile.owned_object import Owner
from penstock_operator.reconcile.pod_template import WorkerDefaults

ROOT = Path(__file__).parents[2]
SCANNER = ROOT / ".cache" / "scanner" / "bin" / "checkov"
"""An environment of its own, as its dependencies are pinned to other versions than ours."""

pytestmark = pytest.mark.timeout(180)

WITHOUT_CPU_REQUEST = {"Job.ai.penstock-nats-keys", "Pod.ai.penstock-test"}
"""They run for seconds, and must find a place on a node whose requests are used up: an upgrade waits for them."""


async def scan(directory: Path) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        str(SCANNER),
        *("--config-file", str(ROOT / ".checkov.yaml"), "--skip-download", "-o", "json", "-d", str(directory)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    logged, complaint = await process.communicate()
    assert logged, complaint.decode()
    return dict(json.loads(logged))


def failures(report: Mapping[str, Any]) -> set[tuple[str, str, str]]:
    failed = report["results"]["failed_checks"]
    return {(Path(one["file_path"]).stem, one["check_id"], one["resource"]) for one in failed}


async def test_chart_passes_the_policy_scanner(rendered: Mapping[str, Any], tmp_path: Path) -> None:
    for variant, objects in rendered.items():
        (tmp_path / f"{variant}.yaml").write_text(yaml.safe_dump_all(objects), "utf-8")
    (operator,) = [
        one
        for one in rendered["default"]
        if (one["kind"], one["metadata"]["name"]) == ("Deployment", "penstock-operator")
    ]
    environ = {one["name"]: one.get("value") for one in operator["spec"]["template"]["spec"]["containers"][0]["env"]}
    resources = msgspec.json.decode(environ["PENSTOCK_WORKER_RESOURCES"], type=ResourcesSpec)
    user = int(environ["PENSTOCK_WORKER_RUN_AS_USER"])
    defaults = WorkerDefaults(
        image="penstock:0.1.0", nats_url="nats://broker:4222", resources=resources, run_as_user=user
    )
    owner = Owner("ai", "main", UID)
    worker = manifests.deployment(owner, spec(), defaults)
    (tmp_path / "worker.yaml").write_text(
        yaml.safe_dump_all([worker, manifests.service_account(owner, spec())]), "utf-8"
    )

    report = await scan(tmp_path)

    assert report["summary"]["passed"] > 900
    assert report["summary"]["parsing_errors"] == 0
    excused = {one for one in failures(report) if one[1] == "CKV_K8S_10" and one[2] in WITHOUT_CPU_REQUEST}
    assert failures(report) == excused


async def test_chart_policy_scanner_finds_a_container_that_may_be_root(
    rendered: Mapping[str, Any], tmp_path: Path
) -> None:
    (nats,) = [one for one in rendered["default"] if one["kind"] == "StatefulSet"]
    (container,) = nats["spec"]["template"]["spec"]["containers"]
    loose = [container | {"securityContext": {"privileged": True}}]
    pod = nats["spec"]["template"] | {"spec": nats["spec"]["template"]["spec"] | {"containers": loose}}
    (tmp_path / "loose.yaml").write_text(yaml.safe_dump(nats | {"spec": nats["spec"] | {"template": pod}}), "utf-8")
    assert "CKV_K8S_16" in {check for _, check, _ in failures(await scan(tmp_path))}
