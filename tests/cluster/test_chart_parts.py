"""Additions of users: to the pods of gateway, operator and broker, further objects, several addresses of a broker."""

from typing import Any

import pytest
from harness.kubernetes.chart_objects import named, pods, variables
from harness.kubernetes.helm import Helm

from penstock_operator.routes.model_ownership import ClaimRule
from penstock_operator.settings import OperatorSettings

PART: dict[str, Any] = {
    "env": [{"name": "EXTRA", "value": "1"}],
    "envFrom": [{"secretRef": {"name": "more"}}],
    "volumes": [{"name": "ca", "configMap": {"name": "company-ca"}}],
    "volumeMounts": [{"name": "ca", "mountPath": "/etc/company", "readOnly": True}],
    "initContainers": [{"name": "first", "image": "a"}],
    "extraContainers": [{"name": "beside", "image": "a"}],
    "serviceAccountAnnotations": {"iam.example/role": "penstock"},
    "podSpec": {"runtimeClassName": "gvisor", "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a"]}]},
}


@pytest.mark.parametrize("component", ["gateway", "operator", "nats"])
async def test_chart_pods_have_the_users_parts(helm: Helm, component: str) -> None:
    objects = await helm.template({component: PART})
    plain = dict(pods(await helm.template()))[component]["spec"]
    pod = dict(pods(objects))[component]["spec"]
    container, own = pod["containers"][0], plain["containers"][0]

    assert container["env"] == [*own["env"], *PART["env"]]
    assert container["envFrom"] == PART["envFrom"]
    assert pod["volumes"] == [*plain["volumes"], *PART["volumes"]]
    assert container["volumeMounts"] == [*own["volumeMounts"], *PART["volumeMounts"]]
    assert pod["initContainers"] == PART["initContainers"]
    assert pod["containers"][1:] == PART["extraContainers"]
    assert PART["podSpec"].items() <= pod.items()
    account = named(objects, "ServiceAccount", pod["serviceAccountName"])
    assert account["metadata"]["annotations"] == PART["serviceAccountAnnotations"]


async def test_chart_installs_further_objects_of_its_values(helm: Helm) -> None:
    extra = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-extra"}}
    objects = await helm.template({"extraObjects": [extra]})
    assert named(objects, "ConfigMap", "penstock-extra") == extra | {"metadata": {"name": "penstock-extra"}}


async def test_chart_external_broker_may_have_several_addresses(helm: Helm) -> None:
    url = "nats://a.example:4222,nats://b.example:4223,tls://c.example"
    objects = await helm.template({"nats": {"enabled": False, "external": {"url": url}}})
    assert variables(dict(pods(objects))["gateway"])["PENSTOCK_NATS_URL"] == url
    policy = named(objects, "NetworkPolicy", "penstock-gateway")
    ports = [port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]]
    assert ports == [53, 53, 4222, 4223]


async def test_chart_rules_of_names_are_the_operators_setting(helm: Helm) -> None:
    rules = [{"namespaces": ["team-*"], "models": ["gpt-*"], "wildcard": True}]
    objects = await helm.template({"operator": {"modelClaims": rules}})
    environment = variables(dict(pods(objects))["operator"])
    settings = OperatorSettings(namespaces="ai", worker_image="i", model_claims=environment["PENSTOCK_MODEL_CLAIMS"])
    assert settings.claim_rules == (ClaimRule(("team-*",), ("gpt-*",), wildcard=True),)
