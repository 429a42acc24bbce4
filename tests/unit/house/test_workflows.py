"""The workflows and the devcontainer run commands that exist, with the least permissions, and name no registry host."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE))
HOST = re.compile(r"\b(?:ghcr\.io|docker\.io|quay\.io|pypi\.org|registry\.npmjs\.org|[a-z0-9-]+\.azurecr\.io)\b")


def _workflow(path: Path) -> dict[Any, Any]:
    found: dict[Any, Any] = yaml.safe_load(path.read_text("utf-8"))
    return found


def _steps(workflow: dict[Any, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_workflows_are_ci_release_and_images() -> None:
    assert [path.stem for path in FILES] == ["ci", "images", "release"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_workflow_runs_make_targets_that_exist(path: Path) -> None:
    for step in _steps(_workflow(path)):
        assert ("uses" in step) != ("run" in step)
        for target in re.findall(r"\bmake ([a-z-]+)", step.get("run", "")):
            assert target in TARGETS
        for script in re.findall(r"\.ci/\w+", step.get("run", "")):
            assert (ROOT / script).exists()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_workflow_grants_writing_to_single_jobs_only(path: Path) -> None:
    workflow = _workflow(path)
    assert workflow["permissions"] == {"contents": "read"}
    for step in _steps(workflow):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_workflow_takes_no_text_of_a_pull_request_into_a_shell(path: Path) -> None:
    for step in _steps(_workflow(path)):
        assert "${{" not in step.get("run", ""), "pass it in `env`"


@pytest.mark.parametrize("path", [*FILES, ROOT / "compose.yaml"], ids=lambda path: path.stem)
def test_workflow_names_no_registry_host(path: Path) -> None:
    assert HOST.findall(path.read_text("utf-8")) == []


def test_images_workflow_builds_each_published_target_for_two_architectures() -> None:
    workflow = _workflow(ROOT / ".github" / "workflows" / "images.yml")
    job = workflow["jobs"]["image"]
    targets = {one["target"] for one in job["strategy"]["matrix"]["include"]}
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    final = set(re.findall(r"^FROM \$\{BASE\} AS (\S+)$", dockerfile, re.MULTILINE)) - {"tools"}
    assert targets == final
    (build,) = [step for step in job["steps"] if step.get("uses", "").startswith("docker/build-push-action@")]
    assert build["with"]["platforms"] == "linux/amd64,linux/arm64"
    assert build["with"]["sbom"] is True
    arguments = {line.partition("=")[0] for line in build["with"]["build-args"].splitlines()}
    assert arguments <= set(re.findall(r"^ARG (\w+)", dockerfile, re.MULTILINE))


def test_devcontainer_runs_make_setup() -> None:
    folder = ROOT / ".devcontainer"
    settings = json.loads((folder / "devcontainer.json").read_text("utf-8"))
    assert settings["postCreateCommand"] == "make setup"
    assert (folder / settings["build"]["dockerfile"]).exists()
