"""The wheels of `make wheels`, installed outside of the clone with an empty HOME: `penstock dev` streams an answer."""

import json
import os
import re
import signal
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import httpx
import pytest
from harness.processes import Process, until

ROOT = Path(__file__).parents[2]
WHEELS = sorted((ROOT / "dist").glob("*.whl"))
UV = ROOT / ".venv" / "bin" / "uv"


def _metadata(wheel: Path) -> dict[str, list[str]]:
    with zipfile.ZipFile(wheel) as file:
        (name,) = [name for name in file.namelist() if name.endswith(".dist-info/METADATA")]
        message = Parser().parsestr(file.read(name).decode())
    return {key: message.get_all(key, []) for key in message}


METADATA = {metadata["Name"][0]: metadata for metadata in map(_metadata, WHEELS)}


def test_wheels_are_one_version_and_the_distribution_pins_it() -> None:
    (version,) = {metadata["Version"][0] for metadata in METADATA.values()}
    ours = [line for line in METADATA["penstock"]["Requires-Dist"] if line.startswith("penstock")]
    assert all(f"=={version}" in line for line in ours)
    named = {re.split(r"[=\[]", line)[0] for line in ours}
    assert named == METADATA.keys() - {"penstock"}
    assert METADATA["penstock"]["Provides-Extra"] == ["gateway", "local", "operator", "worker"]


@pytest.mark.parametrize("wheel", WHEELS, ids=lambda wheel: wheel.name.split("-")[0])
def test_wheel_has_the_license_and_no_test(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        names = file.namelist()
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    assert not [name for name in names if re.search(r"(^|/)(tests?|test_[^/]*|[^/]*_test\.py|conftest\.py)(/|$)", name)]


def _empty_home(directory: Path) -> dict[str, str]:
    """An environment with an empty HOME in the directory, and what reaches the package index."""
    home = directory / "home"
    home.mkdir()
    kept = ("PATH", "PIP_", "UV_", "HTTPS_PROXY", "https_proxy", "SSL_CERT", "REQUESTS_CA")
    return {name: value for name, value in os.environ.items() if name.startswith(kept)} | {"HOME": str(home)}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """The directory of the commands, and an environment with an empty HOME. uv's cache spares downloads."""
    directory = tmp_path_factory.mktemp("installed")
    environ = _empty_home(directory)
    with_cache = {**os.environ, "UV_LINK_MODE": "copy"}
    subprocess.run([UV, "venv", "-q", "--python", sys.executable, directory / "venv"], env=with_cache, check=True)
    install = [UV, "pip", "install", "-q", "--python", directory / "venv" / "bin" / "python"]
    subprocess.run([*install, "--find-links", ROOT / "dist", "penstock"], env=with_cache, cwd=directory, check=True)
    return directory / "venv" / "bin", environ


@pytest.mark.timeout(300)
def test_wheels_install_every_command_but_the_operators(installed: tuple[Path, dict[str, str]]) -> None:
    commands, environ = installed
    done = subprocess.run([commands / "penstock", "--help"], env=environ, capture_output=True, text=True, check=True)
    assert re.findall(r"^  (\S+)  ", done.stdout, re.MULTILINE) == [
        *("chat", "completion", "dev", "doctor", "gateway", "keys", "reset", "routes", "top", "usage", "worker")
    ]
    done = subprocess.run([commands / "penstock", "--version"], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout == f"penstock {METADATA['penstock']['Version'][0]}\n"
    done = subprocess.run([commands / "penstock", "operator"], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'penstock[operator]' has it" in done.stderr


@pytest.mark.timeout(300)
@pytest.mark.parametrize("tool", ["pipx install penstock", "uv tool install penstock", "uvx penstock"])
def test_wheels_are_installed_by_the_tools_of_the_readme(tool: str, tmp_path: Path) -> None:
    """Their commands, with an empty HOME; `--find-links` stands for an index that has the wheels."""
    environ = _empty_home(tmp_path) | {"PIP_FIND_LINKS": str(ROOT / "dist"), "UV_FIND_LINKS": str(ROOT / "dist")}
    environ |= {"PIPX_DEFAULT_PYTHON": sys.executable, "UV_PYTHON": sys.executable, "UV_LINK_MODE": "copy"}
    # A shared cache spares downloads.
    cache = subprocess.run([UV, "cache", "dir"], capture_output=True, text=True, check=True).stdout.strip()
    environ["UV_CACHE_DIR"] = cache
    program, *arguments = tool.split()
    installs = arguments[:-1]
    command = [str(UV.with_name(program)), *arguments]
    if installs:
        subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True, check=True)
        command = [str(tmp_path / "home" / ".local" / "bin" / "penstock")]
    done = subprocess.run(
        [*command, "--version"], env=environ, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout == f"penstock {METADATA['penstock']['Version'][0]}\n", done.stderr


@pytest.mark.timeout(400)
async def test_wheels_stream_a_real_answer_outside_of_the_clone(
    installed: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    commands, environ = installed
    environ = {**environ, "TMPDIR": str(tmp_path)}
    command = [str(commands / "penstock"), "dev", "--port", "0"]
    process = Process("penstock dev", command, tmp_path / "output", environ, leashed=True)
    try:
        await until(lambda: "Ctrl-C ends it" in process.log() or not process.alive, "it starts", timeout_s=300)
        output = process.log()
        assert "fetching two small models" in output, output
        found = re.search(r"listens on (\S+)", output)
        assert found, output
        assert f"State: {environ['HOME']}/.local/share/penstock/dev keeps" in output
        async with httpx.AsyncClient(base_url=found[1], timeout=60) as client:
            answer = await client.post("/api/generate", json={"prompt": "Why is the sky blue?"})
        events = [line.removeprefix("data: ") for line in answer.text.split("\n\n") if line]
        assert events.pop() == "[DONE]", process.log()
        assert len("".join(json.loads(event)["text"] for event in events)) > 20
        process.signal(signal.SIGINT)
        assert await process.exited(30) == 0
    finally:
        await process.end()
