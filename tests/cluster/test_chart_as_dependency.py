"""The chart as a dependency of a user's own chart, with a condition and with global values, as Helm renders it."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from harness.kubernetes.chart_objects import named, of_kind, pods
from harness.kubernetes.helm import CHART, Helm

VERSION = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))["version"]


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    """A chart `platform` that depends on ours."""
    shutil.copytree(CHART, tmp_path / "charts" / "penstock")
    dependency = {"name": "penstock", "version": VERSION, "condition": "penstock.enabled"}
    chart = {"apiVersion": "v2", "name": "platform", "version": "1.0.0", "dependencies": [dependency]}
    (tmp_path / "Chart.yaml").write_text(yaml.safe_dump(chart), "utf-8")
    return tmp_path


async def render(helm: Helm, parent: Path, values: dict[str, Any]) -> list[dict[str, Any]]:
    text = await helm("template", "platform", str(parent), namespace="ai", values=values)
    return [one for one in yaml.load_all(text, yaml.CSafeLoader) if one]


async def test_chart_as_a_dependency_renders_unless_its_condition_is_false(helm: Helm, parent: Path) -> None:
    assert await render(helm, parent, {"penstock": {"enabled": False}}) == []
    objects = await render(helm, parent, {"penstock": {"enabled": True}})

    names = {one["metadata"]["name"] for one in of_kind(objects, "Deployment")}
    assert names == {"platform-penstock-gateway", "platform-penstock-operator"}


async def test_chart_as_a_dependency_takes_the_parents_global_values(helm: Helm, parent: Path) -> None:
    values = {"global": {"imageRegistry": "mirror.example", "team": "of the parent"}, "penstock": {}}
    objects = await render(helm, parent, values)

    images = {container["image"] for _, pod in pods(objects) for container in pod["spec"]["containers"]}
    assert images
    assert all(image.startswith("mirror.example/") for image in images)
    assert named(objects, "Deployment", "platform-penstock-gateway")
