"""The chart as Helm renders it, without a cluster. SNAPSHOT=renew writes the snapshot."""

import base64
import os
import secrets
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from harness.kubernetes.chart_labels import CLASHING
from harness.kubernetes.chart_objects import EVERYTHING, VARIANTS, named, of_kind, pods, secret_keys, variables
from harness.kubernetes.helm import CHART, Helm

from penstock_gateway.settings import GatewaySettings
from penstock_local.process import nats_server
from penstock_operator.nats.keys import SERVER, NatsKeys
from penstock_operator.settings import OperatorSettings
from penstock_runtime.settings import load
from penstock_worker.upstream.address_policy import AddressRules

SNAPSHOT = Path(__file__).parent / "snapshots" / "chart.yaml"
GIVEN = {"PENSTOCK_FIRST_KEY": f"sk-penstock-{'k' * 44}", "PENSTOCK_ADMIN_TOKEN": "t" * 32}
"""The content of a Secret that the chart did not create."""


def test_chart_default_equals_the_snapshot(rendered: Mapping[str, list[dict[str, Any]]]) -> None:
    # The definition has a file and tests of its own.
    objects = [_masked(one) for one in rendered["default"] if one["kind"] != "CustomResourceDefinition"]
    text = yaml.safe_dump_all(objects, sort_keys=False, width=120)
    if os.environ.get("SNAPSHOT") == "renew":
        SNAPSHOT.parent.mkdir(exist_ok=True)
        SNAPSHOT.write_text(text, "utf-8")
    assert list(yaml.safe_load_all(SNAPSHOT.read_text("utf-8"))) == objects, "SNAPSHOT=renew, and look at the change"


def _masked(one: dict[str, Any]) -> dict[str, Any]:
    """Without values that are random when there is no cluster to read them from."""
    return one | {"data": dict.fromkeys(one["data"], "random")} if one["kind"] == "Secret" else one


def test_chart_crd_is_the_file_and_outlives_the_release(rendered: Mapping[str, Any]) -> None:
    (definition,) = of_kind(rendered["default"], "CustomResourceDefinition")
    assert definition["spec"] == yaml.safe_load((CHART / "files" / "crd.yaml").read_text("utf-8"))["spec"]
    assert definition["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert of_kind(rendered["smallest"], "CustomResourceDefinition") == []


async def test_chart_allows_local_addresses_by_omitting_one_rule(helm: Helm) -> None:
    values = {"crds": {"allowLocalAddresses": True, "keep": False}}
    (looser,) = of_kind(await helm.template(values), "CustomResourceDefinition")
    assert "annotations" not in looser["metadata"]

    def rules(schema: Any) -> list[str]:
        if isinstance(schema, dict):
            own = [rule["message"] for rule in schema.get("x-kubernetes-validations", [])]
            return own + [message for inner in schema.values() for message in rules(inner)]
        return [message for inner in schema for message in rules(inner)] if isinstance(schema, list) else []

    strict = rules(yaml.safe_load((CHART / "files" / "crd.yaml").read_text("utf-8")))
    (left_out,) = set(strict) - set(rules(looser))
    assert "link-local" in left_out
    assert len(strict) == len(rules(looser)) + 1


def test_chart_second_release_has_no_cluster_objects(rendered: Mapping[str, Any]) -> None:
    second = [one for one in rendered["smallest"] if one["metadata"].get("namespace") is None]
    assert {one["kind"] for one in second} == {"ClusterRole", "ClusterRoleBinding"}  # by rbac.scope: Cluster
    everything = [one for one in rendered["external-nats"] if one["metadata"].get("namespace") is None]
    assert {one["metadata"]["labels"]["app.kubernetes.io/component"] for one in everything} == {"crd"}


def test_chart_gateway_environment_is_valid_settings(objects: list[dict[str, Any]]) -> None:
    gateway = dict(pods(objects))["gateway"]
    data = {
        f"{one['metadata']['name']}/{key}": value
        for one in of_kind(objects, "Secret")
        for key, value in one["data"].items()
    }
    environment = variables(gateway)
    for name, source in secret_keys(gateway).items():
        environment[name] = base64.b64decode(data.get(source, "")).decode() or GIVEN[name]
    settings = load(GatewaySettings, environment)
    settings.check()
    assert settings.admin_host == settings.host
    assert settings.first_key is not None
    (container,) = gateway["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"http": settings.port, "admin": settings.admin_port}
    assert "/metrics" not in str(container)


def test_chart_requires_api_keys_by_default(rendered: Mapping[str, Any]) -> None:
    environment = {variant: variables(dict(pods(made))["gateway"]) for variant, made in rendered.items()}
    assert {variant for variant, one in environment.items() if one["PENSTOCK_AUTHENTICATION"] == "off"} == {"smallest"}


async def test_chart_keys_are_random_and_outlive_the_release(helm: Helm, rendered: Mapping[str, Any]) -> None:
    (made,) = of_kind(rendered["default"], "Secret")
    assert made["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    (other,) = of_kind(await helm.template(), "Secret")
    assert not set(made["data"].values()) & set(other["data"].values())

    assert of_kind(rendered["everything"], "Secret") == []
    read = {component: secret_keys(pod) for component, pod in pods(rendered["everything"])}
    assert {component: keys for component, keys in read.items() if keys} == {
        "gateway": {"PENSTOCK_FIRST_KEY": "access/first-key", "PENSTOCK_ADMIN_TOKEN": "access/admin-token"},
        "test": {"PENSTOCK_API_KEY": "access/first-key"},
    }


def test_chart_services_exclude_the_admin_api(objects: list[dict[str, Any]]) -> None:
    services = [one for one in of_kind(objects, "Service") if one["metadata"]["name"] == "penstock-gateway"]
    assert [port["targetPort"] for service in services for port in service["spec"]["ports"]] == ["http"]


def test_chart_monitors_use_existing_ports(rendered: Mapping[str, Any]) -> None:
    made = {component: pod["spec"]["containers"][0].get("ports", []) for component, pod in pods(rendered["everything"])}
    made["workers"] = [{"name": "probes"}]
    monitors = of_kind(rendered["everything"], "PodMonitor")
    assert len(monitors) == 3
    for monitor in monitors:
        ports = {port["name"] for port in made[monitor["metadata"]["labels"]["app.kubernetes.io/component"]]}
        assert {endpoint["port"] for endpoint in monitor["spec"]["podMetricsEndpoints"]} <= ports - {"http"}


def test_chart_serves_the_playground_only_if_it_is_switched_on(rendered: Mapping[str, Any]) -> None:
    assert variables(dict(pods(rendered["everything"]))["gateway"])["PENSTOCK_PLAYGROUND"] == "true"
    assert "PENSTOCK_PLAYGROUND" not in variables(dict(pods(rendered["default"]))["gateway"])


def test_chart_workers_have_registry_and_collector_settings(rendered: Mapping[str, Any]) -> None:
    environment = load(OperatorSettings, variables(dict(pods(rendered["everything"]))["operator"]))
    assert environment.worker_image_pull_policy == "IfNotPresent"
    assert environment.worker_image_pull_secret_list == ["registry"]
    assert environment.worker_environment == {**EVERYTHING["workers"]["env"], "PENSTOCK_LOG_LEVEL": "INFO"}
    alone = load(OperatorSettings, variables(dict(pods(rendered["default"]))["operator"]))
    assert alone.worker_image_pull_secret_list == []


def test_chart_dashboard_is_the_file_with_grafanas_label(rendered: Mapping[str, Any]) -> None:
    made = named(rendered["everything"], "ConfigMap", "penstock-dashboard")
    assert made["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert made["metadata"]["annotations"] == {"grafana_folder": "AI"}
    (text,) = made["data"].values()
    assert text == (CHART / "files" / "dashboard.json").read_text("utf-8").rstrip("\n")
    assert [one["metadata"]["name"] for one in of_kind(rendered["default"], "ConfigMap")] == ["penstock-nats"]


async def test_chart_allows_workers_to_call_loopback_with_the_crd(helm: Helm, rendered: Mapping[str, Any]) -> None:
    looser = dict(pods(await helm.template({"crds": {"allowLocalAddresses": True}})))["operator"]
    allowed = load(OperatorSettings, variables(looser)).worker_allowed_addresses
    assert AddressRules.parse(allowed) == AddressRules.parse("127.0.0.0/8,::1/128")
    assert "PENSTOCK_WORKER_ALLOWED_ADDRESSES" not in variables(dict(pods(rendered["default"]))["operator"])


def test_chart_all_components_use_the_same_broker(rendered: Mapping[str, Any]) -> None:
    for variant, url in {
        "default": "nats://penstock-nats.ai.svc:4222",
        "external-nats": "tls://nats.example:4443",
    }.items():
        urls = {
            variables(pod)["PENSTOCK_NATS_URL"]
            for component, pod in pods(rendered[variant])
            if component in {"gateway", "operator"}
        }
        assert urls == {url}
    (dns, broker) = named(rendered["external-nats"], "NetworkPolicy", "penstock-gateway")["spec"]["egress"]
    assert broker == {"ports": [{"port": 4443, "protocol": "TCP"}]}
    assert dns["ports"][0]["port"] == 53
    assert of_kind(rendered["external-nats"], "StatefulSet") == []


def test_chart_three_brokers_form_a_cluster_with_three_replicas(rendered: Mapping[str, Any]) -> None:
    objects = rendered["everything"]
    config = named(objects, "ConfigMap", "penstock-nats")["data"]["nats.conf"]
    for number in range(3):
        assert f"nats://penstock-nats-{number}.penstock-nats-headless:6222" in config
    operator = dict(pods(objects))["operator"]
    assert variables(operator)["PENSTOCK_JETSTREAM_REPLICAS"] == "3"
    assert variables(operator)["PENSTOCK_JETSTREAM_STORAGE"] == "file"
    alone = dict(pods(rendered["default"]))["nats"]["spec"]["containers"][0]
    assert "lifecycle" not in alone
    assert (
        "feature_flags { js_ack_fc_v2: false }"
        in named(rendered["default"], "ConfigMap", "penstock-nats")["data"]["nats.conf"]
    )


@pytest.mark.parametrize("variant", ["default", "everything"])
def test_chart_broker_configuration_is_accepted_by_nats_server(
    rendered: Mapping[str, Any], tmp_path: Path, variant: str
) -> None:
    config = tmp_path / "nats.conf"
    config.write_text(named(rendered[variant], "ConfigMap", "penstock-nats")["data"]["nats.conf"], "utf-8")
    keys = NatsKeys.new(secrets.token_bytes, 1_790_000_000)
    (tmp_path / SERVER).write_text(keys.server_config(), "utf-8")
    command = [str(nats_server.binary()), "-t", "--config", str(config)]
    done = subprocess.run(command, env={"POD_NAME": "penstock-nats-0"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_chart_autoscaled_gateway_has_no_replicas_field(rendered: Mapping[str, Any]) -> None:
    assert "replicas" not in named(rendered["everything"], "Deployment", "penstock-gateway")["spec"]
    assert named(rendered["default"], "Deployment", "penstock-gateway")["spec"]["replicas"] == 2


async def test_chart_images_have_registry_and_digest(helm: Helm) -> None:
    digest = f"sha256:{'0' * 64}"
    objects = await helm.template(
        {"image": {"registry": "registry.example/ai", "digest": digest}, "models": {"enabled": True}}
    )
    images = {component: pod["spec"]["containers"][0]["image"] for component, pod in pods(objects)}
    assert images["gateway"] == images["operator"] == f"registry.example/ai/penstock@{digest}"
    # It is not built with the others.
    assert images["nats"].startswith("nats:")
    assert images["chat-model"] == "registry.example/ai/penstock-models:0.1.0"
    assert variables(dict(pods(objects))["operator"])["PENSTOCK_WORKER_IMAGE"] == images["operator"]


async def test_chart_images_of_a_mirror_and_of_two_registries(helm: Helm) -> None:
    mirrored = {"global": {"imageRegistry": "mirror.example", "imagePullSecrets": [{"name": "mirror"}]}}
    pods_by_component = dict(pods(await helm.template({**mirrored, "models": {"enabled": True}})))
    for component, pod in pods_by_component.items():
        assert pod["spec"]["containers"][0]["image"].startswith("mirror.example/"), component
        assert pod["spec"]["imagePullSecrets"] == [{"name": "mirror"}], component
    assert variables(pods_by_component["operator"])["PENSTOCK_WORKER_IMAGE_PULL_SECRETS"] == "mirror"

    own = {
        **mirrored,
        "image": {"registry": "ghcr.io/me"},
        "imagePullSecrets": [{"name": "ghcr"}],
        "nats": {"image": {"registry": "docker.io", "pullSecrets": [{"name": "hub"}]}},
    }
    pods_by_component = dict(pods(await helm.template(own)))
    nats, gateway = pods_by_component["nats"]["spec"], pods_by_component["gateway"]["spec"]
    assert nats["containers"][0]["image"].startswith("docker.io/nats:")
    assert gateway["containers"][0]["image"].startswith("ghcr.io/me/penstock:")
    assert (nats["imagePullSecrets"], gateway["imagePullSecrets"]) == ([{"name": "hub"}], [{"name": "ghcr"}])


async def test_chart_notes_match_the_release(helm: Helm) -> None:
    command = ("install", "penstock", str(CHART), "--dry-run=client")
    notes = (await helm(*command, namespace="ai", values=EVERYTHING)).partition("NOTES:")[2]
    assert "apply -f examples/routes/local.yaml" in notes
    assert "get secret access -o jsonpath='{.data.first-key}'" in notes
    assert '-H "authorization: Bearer $KEY"' in notes
    assert "port-forward deployment/penstock-gateway 8081" in notes
    assert "WARNING" not in notes
    elsewhere = {"models": {"enabled": True}, "operator": {"namespaces": ["team"]}}
    assert (
        r"sed -E 's/(penstock-(chat|embedding)-model):/\1.ai:/' examples/routes/local.yaml | kubectl -n team apply"
        in (await helm(*command, namespace="ai", values=elsewhere))
    )
    open_ = await helm(*command, namespace="ai", values={"gateway": {"auth": {"required": False}}})
    assert "WARNING: gateway.auth.required is off" in open_
    unguarded: dict[str, Any] = {"networkPolicy": {"enabled": False}}
    assert "WARNING" not in (await helm(*command, namespace="ai", values=unguarded)).partition("NOTES:")[2]
    anybodys = await helm(*command, namespace="ai", values={**unguarded, "nats": {"auth": {"enabled": False}}})
    assert "every pod of the cluster can read\nprompts" in anybodys.partition("NOTES:")[2]


def test_chart_test_route_is_valid(rendered: Mapping[str, Any]) -> None:
    (version,) = yaml.safe_load((CHART / "files" / "crd.yaml").read_text("utf-8"))["spec"]["versions"]
    for variant in ("default", "everything"):
        (route,) = of_kind(rendered[variant], "ModelRoute")
        # OpenAPI 3.0 writes exclusive bounds as draft 4 does.
        jsonschema.Draft4Validator(version["schema"]["openAPIV3Schema"]).validate(route)


class _Strict(yaml.SafeLoader):
    """Refuses a mapping that has a key twice, as Argo CD, Flux and kubeconform do."""


def _mapping(loader: _Strict, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    twice = {key for key in keys if keys.count(key) > 1}
    assert not twice, f"{node.start_mark}: {twice}"
    return loader.construct_mapping(node, deep=True)


_Strict.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


@pytest.mark.parametrize("values", [*VARIANTS.values(), CLASHING], ids=[*VARIANTS, "clashing"])
async def test_chart_renders_each_yaml_key_once(helm: Helm, values: Mapping[str, Any]) -> None:
    """YAML 1.2 §3.2.1.3: keys are unique; opentelemetry-helm-charts #1772, dolphinscheduler #18340."""
    text = await helm("template", "penstock", str(CHART), "--namespace=ai", values=values)
    assert [one for one in yaml.load_all(text, _Strict) if one]
