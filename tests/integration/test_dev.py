"""`penstock dev` as a person uses it: real processes, HTTP from outside, and nothing left afterwards."""

import asyncio
import contextlib
import json
import os
import re
import select
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness.dev import COMMAND, EXAMPLES, START_S, Dev, dev_up
from harness.plain_client import plain_client
from harness.processes import until

SLOW = """
apiVersion: penstock.dev/v1alpha1
kind: ModelRoute
metadata: {name: slow}
spec:
  models: [{name: slow}]
  providers: [{name: p, type: Simulated, simulated: {tokens: 1000, tokensPerSecond: 20}}]
"""


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Dev]:
    """`penstock dev` with the simulated route."""
    async with dev_up(tmp_path, "-f", str(EXAMPLES / "simulated.yaml")) as dev:
        yield dev


@contextlib.contextmanager
def _all_end(*pids: int) -> Iterator[None]:
    """After the block every one of these processes comes to its end, zombies included."""
    with contextlib.ExitStack() as files:
        waiting = {files.enter_context(os.fdopen(os.pidfd_open(pid), "rb", closefd=True, buffering=0)) for pid in pids}
        yield
        while waiting:
            ended, _, _ = select.select(waiting, [], [], 10)
            assert ended, "a process is left behind"
            waiting -= set(ended)


def _is_free(url: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(url.rpartition(":")[2]))) != 0


def _left(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir() if path.name != "output"]


def _environment(pid: int) -> str:
    return Path(f"/proc/{pid}/environ").read_text()


async def _post(dev: Dev, path: str, **body: Any) -> httpx.Response:
    async with plain_client(dev.url, timeout=60) as client:
        return await client.post(path, json=body)


def _texts(body: str) -> list[str]:
    events = [line.removeprefix("data: ") for line in body.split("\n\n") if line]
    assert events.pop() == "[DONE]"
    return [json.loads(event)["text"] for event in events]


async def test_dev_bundled_models_answer_without_a_key(tmp_path: Path) -> None:
    async with dev_up(tmp_path) as dev:
        assert dev.output.count(" ready\n") == 2
        command = next(line for line in dev.output.splitlines() if "/api/generate" in line)
        shell = await asyncio.create_subprocess_shell(command, stdout=asyncio.subprocess.PIPE, stderr=-3)
        streamed, _ = await shell.communicate()
        assert len(_texts(streamed.decode())) > 3

        vectors = []
        for text in ("cat", "kitten", "carburettor"):
            answer = (await _post(dev, "/api/embed", text=text)).json()
            assert answer["dimensions"] == len(answer["embedding"]) == 384
            vectors.append(answer["embedding"])
        cat, kitten, carburettor = vectors
        assert sum(map(float.__mul__, cat, kitten)) > sum(map(float.__mul__, cat, carburettor)) + 0.2


async def test_dev_finishes_streams_on_ctrl_c_and_leaves_no_process(running: Dev) -> None:
    pids = running.children().values()
    assert len(pids) == 3
    with _all_end(*pids):
        async with (
            plain_client(running.url) as client,
            client.stream("POST", "/api/generate", json={"prompt": "hi"}) as response,
        ):
            received = response.aiter_text()
            start = await anext(received)
            running.process.signal(signal.SIGINT)
            assert len(_texts(start + "".join([part async for part in received]))) == 64
        assert await running.process.exited() == 0
    assert _is_free(running.url)
    assert _left(running.directory) == []


async def test_dev_exits_at_once_on_a_second_ctrl_c(tmp_path: Path) -> None:
    route = tmp_path / "slow.yaml"
    route.write_text(SLOW)
    async with (
        dev_up(tmp_path, "-f", str(route)) as dev,
        plain_client(dev.url) as client,
        client.stream("POST", "/api/generate", json={"prompt": "hi"}) as response,
    ):
        received = response.aiter_text()
        await anext(received)
        with _all_end(*dev.children().values()):
            dev.process.signal(signal.SIGINT)
            await dev.reports("stopping")
            dev.process.signal(signal.SIGINT)
            with pytest.raises(httpx.RemoteProtocolError):
                # If the gateway ended its own grace period, it would log an error and exit regularly.
                [part async for part in received]
            assert await dev.process.exited(START_S) == 0
        assert _left(tmp_path) == ["slow.yaml"]


async def test_dev_leaves_no_process_after_kill_9_and_the_next_run_removes_files(running: Dev) -> None:
    with _all_end(*running.children().values()):
        running.process.kill()
    assert _is_free(running.url)
    left = _left(running.directory)
    assert len(left) == 1
    async with dev_up(running.directory, "-f", str(EXAMPLES / "simulated.yaml")):
        assert left[0] not in _left(running.directory)


async def test_dev_restarts_a_killed_worker(running: Dev) -> None:
    os.kill(running.children()["penstock_worker"], signal.SIGKILL)
    await running.reports("worker simulated ended (SIGKILL), starting it again")
    answer = await _post(running, "/api/generate", prompt="hi")  # waits in the queue for the new one
    assert len(_texts(answer.text)) == 64
    await running.reports("has a worker again")


async def test_dev_restarts_a_killed_gateway_on_its_port(running: Dev) -> None:
    os.kill(running.children()["penstock_gateway"], signal.SIGKILL)
    await running.reports("the gateway is back")
    assert len(_texts((await _post(running, "/api/generate", prompt="hi")).text)) == 64


async def test_dev_restarts_a_killed_nats_server_with_every_route(running: Dev) -> None:
    os.kill(running.children()["nats-server"], signal.SIGKILL)
    await running.reports("nats-server is back, every route is set up again")

    async def ready() -> bool:
        async with plain_client(running.url) as client:
            return bool((await client.get("/ready")).json()["reason"] == "ok")

    await until(ready, "the gateway is connected again")
    assert len(_texts((await _post(running, "/api/generate", prompt="hi")).text)) == 64


async def test_dev_restarts_a_killed_model_on_its_port(tmp_path: Path) -> None:
    route = tmp_path / "minilm.yaml"
    route.write_text((EXAMPLES / "local.yaml").read_text().partition("---")[2])
    async with dev_up(tmp_path, "-f", str(route)) as dev:
        children = dev.children()
        assert len(children) == 4
        dev.process.mark()
        os.kill(children["penstock_local.models embedding"], signal.SIGKILL)
        await dev.reports("has loaded")
        assert (await _post(dev, "/api/embed", text="cat")).status_code == 200


async def test_dev_names_a_missing_key_and_serves_the_other_routes(tmp_path: Path) -> None:
    files = ("-f", str(EXAMPLES / "openai.yaml"), str(EXAMPLES / "simulated.yaml"))
    async with dev_up(tmp_path, *files) as dev:
        assert "not ready: set OPENAI_API_KEY" in dev.output
        refused = await _post(dev, "/api/generate", model="gpt-5.4-mini", prompt="hi")
        assert refused.status_code == 503
        assert refused.json()["error"]["code"] == "model_not_ready"
        assert "set OPENAI_API_KEY" in refused.json()["error"]["message"]
        assert len(_texts((await _post(dev, "/api/generate", prompt="hi")).text)) == 64


async def test_dev_passes_a_key_only_to_the_worker_of_its_route(tmp_path: Path) -> None:
    files = ("-f", str(EXAMPLES / "openai.yaml"))
    async with dev_up(tmp_path, *files, env={"OPENAI_API_KEY": "sk-secret", "OTHER_TOKEN": "t"}) as dev:
        children = dev.children()
        environments = {name: _environment(pid) for name, pid in children.items()}
        assert [name for name, environ in environments.items() if "sk-secret" in environ] == ["penstock_worker"]
        assert not [name for name, environ in environments.items() if "OTHER_TOKEN" in environ]
        assert "sk-secret" not in dev.output


async def test_dev_rejects_a_port_in_use_in_one_line_before_it_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        dev = Dev(tmp_path, "--port", str(port))
        assert await dev.process.exited() == 1
    printed = f"penstock dev: cannot listen on 127.0.0.1:{port} (Address already in use); "
    printed += 'choose another with --port, for example make dev ARGS="--port 9000"\n'
    assert dev.output == printed


async def test_dev_rejects_an_invalid_file_in_one_line(tmp_path: Path) -> None:
    dev = Dev(tmp_path, "-f", str(tmp_path / "missing.yaml"))
    assert await dev.process.exited() == 1
    assert dev.output == f"penstock dev: {tmp_path}/missing.yaml: No such file or directory\n"


async def test_dev_exits_with_the_message_of_a_gateway_that_cannot_start(tmp_path: Path) -> None:
    dev = Dev(tmp_path, "-f", str(EXAMPLES / "simulated.yaml"), env={"PENSTOCK_BODY_BYTES_MAX": "1"})
    assert await dev.process.exited(30) == 1
    assert "penstock dev: gateway does not start (exit code 1)\n" in dev.output
    assert "PENSTOCK_BODY_BYTES_MAX" in dev.output
    (log,) = _left(tmp_path)
    assert f"The log is kept in {tmp_path}/{log}\n" in dev.output


@pytest.mark.parametrize("port", ["99999", "-1", "http"])
async def test_dev_rejects_an_invalid_port_in_one_line(tmp_path: Path, port: str) -> None:
    dev = Dev(tmp_path, "--port", port)
    assert await dev.process.exited() == 2
    printed = f"penstock dev: error: argument --port: '{port}' is not a port, which is a number from 0 to 65535\n"
    assert dev.output.endswith(printed)


async def test_dev_exits_without_output_on_ctrl_c_while_it_starts(tmp_path: Path) -> None:
    dev = Dev(tmp_path)
    await dev.reports("starting nats-server")
    dev.process.signal(signal.SIGINT)
    assert await dev.process.exited(START_S) == 130
    # A busy machine may have loaded a model before the signal came.
    printed = [line for line in dev.output.splitlines() if not line.endswith("has loaded")]
    assert len(printed) == 1
    assert _left(tmp_path) == []


async def _penstock_keys(dev: Dev, *arguments: str) -> str:
    """Standard output of `penstock keys` without an address and a token."""
    process = await asyncio.create_subprocess_exec(
        *(COMMAND, "keys", *arguments),
        env={"TMPDIR": str(dev.directory), "PATH": os.environ["PATH"]},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


async def test_dev_manages_keys_without_an_address_and_requires_none_on_loopback(running: Dev) -> None:
    assert "No API key is required: only this machine can reach it" in running.output
    key = (await _penstock_keys(running, "create", "Ada")).strip()
    assert "Ada" in await _penstock_keys(running, "list")
    async with plain_client(running.url) as client:
        assert (await client.get("/v1/models")).status_code == 200
        assert (await client.get("/v1/models", headers={"authorization": f"Bearer {key}"})).status_code == 200


async def test_dev_requires_and_prints_a_key_beyond_loopback(tmp_path: Path) -> None:
    async with dev_up(tmp_path, "--host", "0.0.0.0", "-f", str(EXAMPLES / "simulated.yaml")) as dev:
        shown = re.search(r"^API key: (sk-penstock-\S+)$", dev.output, re.MULTILINE)
        assert shown, dev.output
        assert "a client needs the key" in dev.output
        made = (await _penstock_keys(dev, "create", "Ada")).strip()
        async with plain_client(dev.url) as client:
            assert (await client.get("/v1/models")).status_code == 401
            for key in (shown[1], made):
                headers = {"authorization": f"Bearer {key}"}
                assert (await client.get("/v1/models", headers=headers)).status_code == 200
        printed = re.search(r"^Logs: (\S+)", dev.output, re.MULTILINE)
        assert printed
        log = Path(printed[1]).read_text()  # noqa: ASYNC240 - a small file
        assert shown[1] not in log
        assert made not in log
