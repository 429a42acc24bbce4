"""The commands of README and of the cluster tutorial up to the first token, as they stand there.

The chart has its own requests, on a node of two cores.
"""

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio
from harness.kubernetes import binaries
from harness.kubernetes.api import ROUTES, Api
from harness.kubernetes.node.cluster import RealCluster
from harness.kubernetes.node.installation import Installation
from harness.processes import free_port

ROOT = Path(__file__).parents[2]
NAMESPACE = "ai"
TYPED_S = 240


@pytest_asyncio.fixture
async def release(cluster: RealCluster, installed: Installation) -> AsyncIterator[Installation]:
    """Of the README's names; the definition is another release's. It goes whatever the test has made of it."""
    del installed
    release = Installation(cluster, NAMESPACE)
    yield release
    async with cluster.api() as api:
        for route in await api.list(ROUTES.at(NAMESPACE)):
            await api.delete(ROUTES.at(NAMESPACE, route["metadata"]["name"]))
        await release.uninstall()


def block(page: str, command: str) -> str:
    """The shell commands of the only block of a page that contains `command`."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL)
    (found,) = (one for one in blocks if command in one)
    return str(found)


async def test_readme_commands_stream_an_answer(release: Installation, api: Api, tmp_path: Path) -> None:
    typed = block("README.md", "helm install") + block("docs/tutorials/cluster.md", "port-forward")
    # The node has the images already.
    typed = "".join(line for line in typed.splitlines(keepends=True) if not line.startswith("docker build "))
    # What differs here is the machine's: images of another name, another port, and a definition that is there.
    values = tmp_path / "values.yaml"
    values.write_bytes(msgspec.json.encode(release.own_values({"crds": {"enabled": False}})))
    port = free_port()
    typed = typed.replace("charts/penstock ", f"charts/penstock --values {values} ", 1)
    typed = typed.replace("8080", str(port))
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("helm", "kubectl"):
        (programs / name).symlink_to(binaries.binary(name))

    printed = tmp_path / "printed"
    with printed.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *("bash", "-veuo", "pipefail", "-c", f"trap 'kill $(jobs -p)' EXIT\n{typed}"),
            cwd=ROOT,
            env={
                "PATH": f"{programs}:{os.environ['PATH']}",
                "HOME": str(tmp_path),
                "KUBECONFIG": str(release.cluster.kubeconfig),
            },
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        async with asyncio.timeout(TYPED_S):
            await process.wait()
    except TimeoutError:
        pytest.fail(f"not done within {TYPED_S} s; it printed:\n{printed.read_text('utf-8')}\n{release.report()}")
    finally:
        # All of them: a `helm install` that outlives its shell would go on in the next attempt's namespace.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()

    logged = printed.read_text("utf-8")
    assert process.returncode == 0, logged
    events = [line for line in logged.splitlines() if line.startswith("data: ")]
    assert len(events) > 5, logged
    # In the text, not a line of its own: what kubectl prints meanwhile may precede it.
    assert "data: [DONE]" in logged[logged.rindex("data: {") :], logged
    listed = await release.kubectl("get", "mr")
    assert re.search(r"smollm2 +smollm2 +True +Serving +1 +1 +10 ", listed), listed
    assert "minilm" in listed
    assert (await api.get(ROUTES.at(NAMESPACE, "smollm2")))["status"]["readyReplicas"] == 1
