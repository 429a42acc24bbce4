"""Values of Service, Ingress, HTTPRoute, Deployments, accounts and the broker's volume that users expect of a chart."""

import pytest
from harness.kubernetes.chart_objects import VARIANTS, named, of_kind, pods, variables
from harness.kubernetes.helm import Helm, HelmError


async def test_chart_gateway_is_exposed_as_its_values_say(helm: Helm) -> None:
    extra = {"path": "/docs", "pathType": "Prefix", "backend": {"service": {"name": "docs", "port": {"number": 80}}}}
    match = {"path": {"type": "PathPrefix", "value": "/v1"}}
    objects = await helm.template(
        {
            "gateway": {
                "service": {
                    "type": "LoadBalancer",
                    "labels": {"team": "ai"},
                    "spec": {"loadBalancerClass": "internal", "loadBalancerSourceRanges": ["10.0.0.0/8"]},
                },
                "ingress": {"enabled": True, "hosts": ["llm.example"], "path": "/llm", "extraPaths": [extra]},
                "httpRoute": {"enabled": True, "parentRefs": [{"name": "public"}], "matches": [match]},
                "podDisruptionBudget": {"minAvailable": "50%"},
                "strategy": {"type": "Recreate"},
                "deploymentAnnotations": {"reloader.example/auto": "true"},
            }
        }
    )
    service = named(objects, "Service", "penstock-gateway")
    assert service["spec"]["loadBalancerClass"] == "internal"
    assert service["spec"]["loadBalancerSourceRanges"] == ["10.0.0.0/8"]
    assert service["spec"]["ipFamilyPolicy"] == "PreferDualStack"
    assert service["metadata"]["labels"]["team"] == "ai"
    (rule,) = named(objects, "Ingress", "penstock-gateway")["spec"]["rules"]
    assert [one["path"] for one in rule["http"]["paths"]] == ["/docs", "/llm"]
    assert named(objects, "HTTPRoute", "penstock-gateway")["spec"]["rules"][0]["matches"] == [match]
    budget = named(objects, "PodDisruptionBudget", "penstock-gateway")["spec"]
    assert budget["minAvailable"] == "50%"
    assert "maxUnavailable" not in budget
    deployment = named(objects, "Deployment", "penstock-gateway")
    assert deployment["metadata"]["annotations"] == {"reloader.example/auto": "true"}
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}


async def test_chart_components_run_as_the_users_own_accounts(helm: Helm) -> None:
    own = {"serviceAccountName": "mine"}
    objects = await helm.template({"gateway": own, "operator": own, "nats": own})
    made = [one["metadata"]["name"] for one in of_kind(objects, "ServiceAccount")]
    assert "mine" not in made
    assert not {f"penstock-{component}" for component in ("gateway", "operator", "nats")} & set(made)
    for component in ("gateway", "operator", "nats"):
        assert dict(pods(objects))[component]["spec"]["serviceAccountName"] == "mine"
    bindings = [one for one in of_kind(objects, "RoleBinding") if "operator" in one["metadata"]["name"]]
    assert {subject["name"] for one in bindings for subject in one["subjects"]} == {"mine"}


async def test_chart_selector_of_namespaces_is_one_query_and_one_policy_everywhere(helm: Helm) -> None:
    objects = await helm.template(VARIANTS["selected-namespaces"])
    environment = variables(dict(pods(objects))["operator"])
    assert environment["PENSTOCK_NAMESPACES"] == "ai"
    assert environment["PENSTOCK_NAMESPACE_SELECTOR"] == "serve=yes,stage notin (test,old),team,!paused,zone in (a,b)"
    role = named(objects, "ClusterRole", "ai-penstock-operator")
    assert {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["list", "watch"]} in role["rules"]
    (rule, *_) = named(objects, "NetworkPolicy", "penstock-nats")["spec"]["ingress"]
    peers = [peer["namespaceSelector"] for peer in rule["from"] if "namespaceSelector" in peer]
    assert VARIANTS["selected-namespaces"]["operator"]["namespaceSelector"] in peers
    assert named(objects, "PodMonitor", "penstock-workers")["spec"]["namespaceSelector"] == {"any": True}

    everywhere = await helm.template({"operator": {"watchNamespaces": "All"}})
    assert variables(dict(pods(everywhere))["operator"])["PENSTOCK_NAMESPACES"] == "*"
    rules = named(everywhere, "ClusterRole", "ai-penstock-operator")["rules"]
    assert "namespaces" not in [resource for one in rules for resource in one["resources"]]
    assert of_kind(await helm.template(), "ClusterRole") == [
        one for one in of_kind(everywhere, "ClusterRole") if one["metadata"]["name"] != "ai-penstock-operator"
    ]


async def test_chart_broker_uses_an_existing_claim_and_further_configuration(helm: Helm) -> None:
    values: dict[str, dict[str, object]] = {
        "nats": {"persistence": {"existingClaim": "disk"}, "extraConfig": "max_connections: 100"}
    }
    objects = await helm.template(values)
    (server,) = of_kind(objects, "StatefulSet")
    assert "volumeClaimTemplates" not in server["spec"]
    volumes = {one["name"]: one for one in server["spec"]["template"]["spec"]["volumes"]}
    assert volumes["data"]["persistentVolumeClaim"] == {"claimName": "disk"}
    configuration = named(objects, "ConfigMap", "penstock-nats")["data"]["nats.conf"]
    assert "\nmax_connections: 100\n" in configuration

    values["nats"]["replicas"] = 3
    with pytest.raises(HelmError, match="one volume serves one server"):
        await helm.template(values)
