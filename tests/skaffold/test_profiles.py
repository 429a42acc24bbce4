"""Every profile of skaffold.yaml, as the real skaffold reads and renders it, is the chart with the values it means."""

from collections.abc import Mapping
from typing import Any

import pytest
import yaml
from harness.kubernetes.chart_objects import named, of_kind, pods, variables
from harness.kubernetes.helm import CHART, Helm
from harness.kubernetes.skaffold import Skaffold, SkaffoldError

IMAGES = {"penstock": "registry.example/penstock:built", "penstock-models": "registry.example/penstock-models:built"}
WITH_BROKER = {"penstock": IMAGES["penstock"], "penstock-nats": "registry.example/penstock-nats:built"}
BUILT: Mapping[str, Any] = {"image": {"repository": "registry.example/penstock", "tag": "built"}}
MODELS: Mapping[str, Any] = {
    "models": {"enabled": True, "image": {"repository": "registry.example/penstock-models", "tag": "built"}}
}
BROKER: Mapping[str, Any] = {"nats": {"image": {"repository": "registry.example/penstock-nats", "tag": "built"}}}
NATS = {"SKAFFOLD_NATS_URL": "tls://nats.example:4443"}
PROFILES: Mapping[str, tuple[Mapping[str, str], Mapping[str, str], Mapping[str, Any]]] = {
    "": (IMAGES, {}, MODELS),
    "dev": (IMAGES, {}, {**MODELS, "gateway": {"replicas": 1}, "operator": {"replicas": 1}, "logLevel": "DEBUG"}),
    "ci": (WITH_BROKER, {}, BROKER),
    "ci,shared-cluster": (WITH_BROKER, {}, {**BROKER, "crds": {"enabled": False}}),
    "external-nats": (
        IMAGES,
        NATS,
        {**MODELS, "nats": {"enabled": False, "external": {"url": NATS["SKAFFOLD_NATS_URL"]}}},
    ),
}
"""Profiles → what was built, the environment, and the values that it stands for."""


def test_skaffold_profiles_are_all_covered() -> None:
    config = yaml.safe_load((CHART.parents[1] / "skaffold.yaml").read_text("utf-8"))
    tried = {name for chosen in PROFILES for name in chosen.split(",")}
    assert {profile["name"] for profile in config["profiles"]} == tried - {""}


@pytest.mark.parametrize("profile", PROFILES)
async def test_skaffold_reads_the_file_as_written(skaffold: Skaffold, profile: str) -> None:
    read = yaml.safe_load(await skaffold("diagnose", "--yaml-only", profile=profile))
    assert read["apiVersion"] == "skaffold/v4beta14"
    assert ("portForward" in read) == ("ci" not in profile)


@pytest.mark.parametrize("profile", PROFILES)
async def test_skaffold_renders_the_chart_with_its_values(skaffold: Skaffold, helm: Helm, profile: str) -> None:
    images, env, values = PROFILES[profile]
    rendered = await skaffold.render(profile, images, env)
    expected = yaml.safe_load_all(
        await helm("template", "penstock", str(CHART), "--skip-tests", namespace="penstock", values={**BUILT, **values})
    )
    assert _comparable(rendered) == _comparable([one for one in expected if one])


async def test_skaffold_profile_runs_the_built_images(skaffold: Skaffold) -> None:
    rendered = await skaffold.render("dev", IMAGES)
    built = {component: pod["spec"]["containers"][0]["image"] for component, pod in pods(rendered)}
    assert {built["gateway"], built["operator"]} == {IMAGES["penstock"]}
    assert built["chat-model"] == IMAGES["penstock-models"]
    # A worker's, too: the operator has it from a variable, where skaffold looks for no image.
    operator = named(rendered, "Deployment", "penstock-operator")["spec"]["template"]
    assert variables(operator)["PENSTOCK_WORKER_IMAGE"] == IMAGES["penstock"]


async def test_skaffold_profile_for_an_external_broker_requires_its_address(skaffold: Skaffold) -> None:
    with pytest.raises(SkaffoldError, match=r"SKAFFOLD_NATS_URL|nats\.external\.url"):
        await skaffold.render("external-nats", IMAGES)


def _comparable(objects: list[dict[str, Any]]) -> dict[tuple[str, str], Any]:
    """By kind and name, without what is random and without the marks that skaffold leaves on what it deploys."""
    secrets = of_kind(objects, "Secret")
    return {(one["kind"], one["metadata"]["name"]): _unmarked(one) for one in objects if one not in secrets}


def _unmarked(value: Any) -> Any:
    if isinstance(value, list):
        return [_unmarked(inner) for inner in value]
    if isinstance(value, dict):
        return {key: _unmarked(inner) for key, inner in value.items() if not key.startswith("skaffold.dev/")}
    return value
