"""The documented backup of one installation, restored into another one: the same keys work, the usage is the same."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from harness.kubernetes.api import NAMESPACES, PODS, ROUTES, Api
from harness.kubernetes.chart_answers import answer, served
from harness.kubernetes.chart_release import Release
from harness.kubernetes.cluster import Cluster
from harness.kubernetes.kubectl import Kubectl
from harness.kubernetes.kubelet import Kubelet
from harness.kubernetes.model_routes import model_route
from harness.processes import until

PENSTOCK = Path(sys.executable).parent / "penstock"
SMALL = {"gateway": {"replicas": 1}, "operator": {"replicas": 1}, "nats": {"persistence": {"enabled": False}}}


async def command(release: Release, name: str, *arguments: str, directory: Path) -> "subprocess.CompletedProcess[str]":
    """`penstock backup` or `restore` with the admin user that the release's Job has made."""
    credentials = directory / f"{release.namespace}.creds"
    credentials.write_text(await release.secret("admin.creds", "nats-admin"))
    line = [str(PENSTOCK), name, *arguments, "--nats-url", release.broker, "--credentials", str(credentials)]
    environment = {"PATH": os.environ["PATH"]}
    return await asyncio.to_thread(subprocess.run, line, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.timeout(240)
async def test_chart_backup_is_restored_into_an_empty_installation(
    cluster: Cluster, kubelet: Kubelet, api: Api, kubectl: Kubectl, namespace: str, tmp_path: Path
) -> None:
    empty = f"{namespace}-b"
    await api.create(NAMESPACES.at(), {"metadata": {"name": empty}})
    try:
        releases = []
        for one in (namespace, empty):
            (tmp_path / one).mkdir()
            release = await Release.prepare(cluster, kubelet, api, one, tmp_path / one)
            await release.install(**SMALL)
            await api.create(ROUTES.at(one), model_route())
            await api.until(ROUTES.at(one, "main"), served, "the route is ready")
            releases.append(release)
        old, new = releases
        async with await old.admin() as admin:
            made = (await admin.post("/admin/keys", json={"name": "Ada"})).json()
            await answer(old)

            async def closed() -> bool:
                rows = (await admin.get("/admin/usage/rows")).json()["rows"]
                return bool(rows) and all("ended" in row for row in rows)

            await until(closed, "the usage record is closed")
            usage = (await admin.get("/admin/usage/rows")).json()["rows"]
        saved = await command(old, "backup", str(tmp_path / "saved"), directory=tmp_path)
        assert saved.returncode == 0, saved.stderr

        both = (f"deployment/{new.name}-operator", f"deployment/{new.name}-gateway")
        await kubectl("-n", empty, "scale", *both, "--replicas=0")
        for component in ("operator", "gateway"):
            labels = f"app.kubernetes.io/component={component}"
            await api.until_all(
                PODS.at(empty), lambda pods: not pods, "they have ended", labelSelector=labels, timeout_s=60
            )
        restored = await command(new, "restore", str(tmp_path / "saved"), "--replace", directory=tmp_path)
        assert (restored.returncode, restored.stdout) == (0, saved.stdout), restored.stderr
        await kubectl("-n", empty, "scale", *both, "--replicas=1")
        await kubectl("-n", empty, "wait", "--for=condition=Available", "--timeout=60s", *both, timeout_s=70)
        await new.find_gateway()

        async with await new.admin() as admin:
            assert (await admin.get("/admin/usage/rows")).json()["rows"] == usage
        async with await new.client() as client:
            client.headers["authorization"] = f"Bearer {made['key']}"

            async def known() -> bool:
                return (await client.get("/v1/models")).status_code == 200

            await until(known, "the key of the other installation is accepted")
            answered = await client.post("/api/generate", json={"prompt": "hello", "model": "simulated"})
            assert answered.status_code == 200, answered.text
            assert "[DONE]" in answered.text
    finally:
        await api.delete(NAMESPACES.at(name=empty))
