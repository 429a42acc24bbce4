"""A provider's key that is replaced while the worker runs, as a kubelet replaces it, and one that is refused."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from harness.expect import error_of
from harness.processes import until
from harness.provider_answers import status, text_stream
from harness.provider_call import Call
from harness.route_spec import completion, provider
from harness.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

REF = {"name": "openai", "key": "api-key"}


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("keys")
    (directory / "openai").mkdir()
    (directory / "openai" / "api-key").symlink_to("../..data/openai/api-key")
    return directory


def write(keys: Path, key: str) -> None:
    """All files at once, by a link that is replaced."""
    made = keys / f"..{key}"
    (made / "openai").mkdir(parents=True)
    (made / "openai" / "api-key").write_text(key)
    link = keys / "..tmp"
    link.symlink_to(made.name)
    link.rename(keys / "..data")


@pytest_asyncio.fixture(loop_scope="module")
async def stack(keys: Path) -> AsyncIterator[Stack]:
    async with Stack(worker_env={"PENSTOCK_KEYS_DIR": str(keys), "OPENAI_API_KEY": "sk-of-the-environment"}) as made:
        yield made


async def test_worker_uses_a_rotated_key_without_a_restart_and_reports_a_refused_one(stack: Stack, keys: Path) -> None:
    """Kubernetes updates mounted Secrets and no variables; k8sgpt-ai/k8sgpt-operator #137."""
    write(keys, "sk-first")
    valid = "sk-second"

    async def judge(call: Call) -> None:
        accepted = call.headers["authorization"] == f"Bearer {valid}"
        await (text_stream("yes") if accepted else status(401))(call)

    stack.main.answers(judge)
    await stack.reconfigure(providers=[provider("main", stack.main.base_url, secretKeyRef=REF)])

    def refusing() -> set[str]:
        return {name for beat in stack.heartbeats.values() for name in beat.refusing_keys}

    assert refusing() == set()
    error_of(await stack.post("/api/chat", completion()), 502, "provider_auth_failed")
    assert stack.main.calls[-1].headers["authorization"] == "Bearer sk-first"
    await until(lambda: refusing() == {"main"}, "the heartbeat names the provider", timeout_s=3)

    write(keys, "sk-second")
    await until(lambda: refusing() == set(), "another key is not known to be refused", timeout_s=4)
    assert (await stack.post("/api/chat", completion())).status_code == 200

    valid = "sk-third"
    error_of(await stack.post("/api/chat", completion()), 502, "provider_auth_failed")
    await until(lambda: refusing() == {"main"}, "it is refused again", timeout_s=3)
    valid = "sk-second"
    assert (await stack.post("/api/chat", completion())).status_code == 200
    await until(lambda: refusing() == set(), "an accepted call ends it", timeout_s=3)
    assert len(stack.workers) == 1
    assert stack.worker.alive
