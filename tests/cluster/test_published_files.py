"""Files that programs of others read, read by those programs: GitHub's workflows, compose.yaml."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from harness.kubernetes import binaries

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
SECRETS = subprocess.run(
    ["sh", "examples/compose/secrets.sh"], cwd=ROOT, capture_output=True, text=True, check=True
).stdout
VARIABLES = dict(line.split("=", 1) for line in SECRETS.splitlines())


def _lint(*paths: Path) -> "subprocess.CompletedProcess[str]":
    # Without the programs that it would run on a shell's or Python's text, where a machine has them.
    command = [binaries.binary("actionlint"), "-shellcheck=", "-pyflakes=", *paths]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_workflows_pass_actionlint() -> None:
    done = _lint(*WORKFLOWS)
    assert (done.returncode, done.stdout) == (0, "")


def test_workflows_check_finds_an_unknown_key(tmp_path: Path) -> None:
    broken = tmp_path / "ci.yml"
    broken.write_text(WORKFLOWS[0].read_text("utf-8").replace("timeout-minutes", "timeout-minuts"))
    assert 'unexpected key "timeout-minuts"' in _lint(broken).stdout


def _compose(environ: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    command = [binaries.binary("compose"), ROOT / "compose.yaml"]
    environ = {"PATH": os.environ["PATH"], **environ}
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)


def test_compose_file_is_loaded_by_compose_with_its_secrets() -> None:
    """By compose-go, the loader of `docker compose`."""
    done = _compose(VARIABLES)
    assert done.returncode == 0, done.stderr
    project = json.loads(done.stdout)
    assert project["services"].keys() == {"nats", "routes", "gateway", "worker"}
    gateway = project["services"]["gateway"]
    assert gateway["environment"]["PENSTOCK_FIRST_KEY"] == VARIABLES["PENSTOCK_FIRST_KEY"]
    assert gateway["stop_grace_period"] == "5m0s"
    assert gateway["build"]["target"] == "penstock"
    assert [port["host_ip"] for port in gateway["ports"]] == ["127.0.0.1", "127.0.0.1"]


@pytest.mark.parametrize("missing", ["NATS_TOKEN", "PENSTOCK_ADMIN_TOKEN", "PENSTOCK_FIRST_KEY"])
def test_compose_file_names_a_missing_secret(missing: str) -> None:
    done = _compose({name: value for name, value in VARIABLES.items() if name != missing})
    assert done.returncode == 1
    assert f"required variable {missing} is missing a value: sh examples/compose/secrets.sh > .env" in done.stderr
