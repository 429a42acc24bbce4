"""Properties of Dockerfile and skaffold.yaml that need no build of an image."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
STAGES = dict(re.findall(r"^FROM \S+ AS (\S+)\n(.*?)(?=^FROM |\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL))
IMAGES = ("penstock", "models", "nats")
SKAFFOLD = yaml.safe_load((ROOT / "skaffold.yaml").read_text("utf-8"))
VALUES = yaml.safe_load((ROOT / "charts" / "penstock" / "values.yaml").read_text("utf-8"))


def test_image_of_a_build_without_a_target_is_the_product() -> None:
    assert list(STAGES)[-1] == "penstock"
    assert set(IMAGES) <= STAGES.keys()


@pytest.mark.parametrize("image", IMAGES)
def test_image_user_is_numeric_and_not_root(image: str) -> None:
    assert re.findall(r"^USER (.*)$", STAGES[image], re.MULTILINE) == ["65532:65532"]
    assert "org.opencontainers.image.title" in STAGES[image]


def test_image_packages_have_a_hash_in_a_lock() -> None:
    commands = re.findall(r"pip install(?:[^&]|\\\n)*", DOCKERFILE)
    assert commands
    for command in commands:
        ours = "--no-deps --no-build-isolation ./" in " ".join(command.replace("\\\n", " ").split())
        assert ours or "--require-hashes" in command, command


def test_image_context_ignores_all_but_existing_named_files() -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert "*" in lines
    for line in lines:
        if line.startswith("!"):
            assert (ROOT / line.removeprefix("!")).exists(), line


def test_image_sets_a_safe_path_against_a_directory_called_operator() -> None:
    assert "PYTHONSAFEPATH=1" in STAGES["penstock"]


def test_skaffold_builds_existing_stages() -> None:
    for artifact in SKAFFOLD["build"]["artifacts"]:
        assert artifact["docker"]["target"] in IMAGES


def test_skaffold_verifies_with_the_charts_key_in_a_pod_for_restricted_namespaces() -> None:
    (case,) = SKAFFOLD["verify"]
    job = yaml.safe_load((ROOT / case["executionMode"]["kubernetesCluster"]["jobManifestPath"]).read_text("utf-8"))
    (release,) = SKAFFOLD["deploy"]["helm"]["releases"]
    assert job["metadata"]["namespace"] == release["namespace"]
    pod = job["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    (container,) = pod["containers"]
    # Skaffold finds the image to change by its name.
    assert container["name"] == case["container"]["name"]
    (key,) = container["env"]
    assert key["valueFrom"]["secretKeyRef"] == {"name": f"{release['name']}-auth", "key": "first-key"}


def test_skaffold_sets_existing_chart_values() -> None:
    (release,) = SKAFFOLD["deploy"]["helm"]["releases"]
    patched = [patch["path"] for profile in SKAFFOLD["profiles"] for patch in profile["patches"]]
    paths = [path.rpartition("/")[2] for path in patched if "/setValue" in path]
    for path in [*release["setValues"], *release["setValueTemplates"], *paths]:
        value: Any = VALUES
        for key in path.split("."):
            assert key in value, path
            value = value[key]
