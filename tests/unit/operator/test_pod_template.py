"""The pod template: secrets, settings of the operator, and the changes that restart workers."""

from typing import Any

import pytest
from unit.support.manifests import OWNER, container, deployment, env, pod_spec
from unit.support.routes import provider, secret, spec

from penstock_contract.route.pod.containers import ResourcesSpec
from penstock_operator.reconcile import manifests, owned_object
from penstock_operator.reconcile.pod_template import WorkerDefaults


def test_manifests_mount_each_secret_as_one_variable() -> None:
    shared = [provider("a", **secret("openai")), provider("b", **secret("openai")), provider("c", **secret("azure"))]

    variables = env(spec(providers=shared))

    assert variables["OPENAI_KEY"] == {"secretKeyRef": {"name": "openai", "key": "key"}}
    assert variables["AZURE_KEY"] == {"secretKeyRef": {"name": "azure", "key": "key"}}


def test_manifests_mount_the_secrets_of_headers_and_query_like_keys() -> None:
    def named(name: str, key: str) -> dict[str, Any]:
        return {"name": name, "valueFrom": secret("access", key)}

    one = provider(
        **secret("openai"),
        headers=[named("cf-access-client-id", "id"), named("cf-access-client-secret", "secret")],
        query=[named("key", "query")],
    )

    variables = env(spec(providers=[one]))
    pod = deployment(spec(providers=[one]))["spec"]["template"]["spec"]

    assert variables["ACCESS_SECRET"] == {"secretKeyRef": {"name": "access", "key": "secret"}}
    assert {"OPENAI_KEY", "ACCESS_ID", "ACCESS_SECRET", "ACCESS_QUERY"} <= variables.keys()
    (volume,) = [one for one in pod["volumes"] if one["name"] == "keys"]
    paths = [item["path"] for source in volume["projected"]["sources"] for item in source["secret"]["items"]]
    assert paths == ["access/id", "access/query", "access/secret", "openai/key"]


def test_manifests_mount_each_key_as_an_optional_file() -> None:
    shared = [provider("a", **secret("openai")), provider("b", **secret("openai")), provider("c", **secret("azure"))]

    pod = deployment(spec(providers=shared))["spec"]["template"]["spec"]

    (volume,) = [one for one in pod["volumes"] if one["name"] == "keys"]
    assert volume["projected"] == {
        "defaultMode": 0o444,
        "sources": [
            {"secret": {"name": name, "optional": True, "items": [{"key": "key", "path": f"{name}/key"}]}}
            for name in ("azure", "openai")
        ],
    }
    (mount,) = [one for one in pod["containers"][0]["volumeMounts"] if one["name"] == "keys"]
    assert mount["readOnly"]
    assert env(spec(providers=shared))["PENSTOCK_KEYS_DIR"] == mount["mountPath"]
    assert "PENSTOCK_KEYS_DIR" not in env(spec())


def test_manifests_leave_an_unset_user_to_the_cluster() -> None:
    def context(**ids: int) -> Any:
        pod = deployment(spec(), WorkerDefaults(image="i", nats_url="n", **ids))["spec"]["template"]["spec"]
        return pod["securityContext"]

    restricted = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert context() == restricted
    assert context(run_as_user=7, run_as_group=0) == restricted | {"runAsUser": 7, "runAsGroup": 0}


def test_manifests_service_account_has_the_routes_annotations_and_the_digest() -> None:
    annotations = {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/x", owned_object.APPLIED: "forged"}

    made = manifests.service_account(OWNER, spec(worker={"serviceAccount": {"annotations": annotations}}))

    assert made["metadata"]["annotations"]["eks.amazonaws.com/role-arn"] == "arn:aws:iam::1:role/x"
    assert made["metadata"]["annotations"][owned_object.APPLIED] != "forged"
    assert manifests.service_account(OWNER, spec())["metadata"]["annotations"].keys() == {owned_object.APPLIED}


def test_manifests_prefer_the_routes_variables_to_the_operators() -> None:
    defaults = WorkerDefaults(image="i", nats_url="n", environment={"OTEL_A": "all", "OTEL_B": "all"})

    variables = env(spec(worker={"env": [{"name": "OTEL_A", "value": "mine"}]}), defaults)

    assert (variables["OTEL_A"], variables["OTEL_B"]) == ("mine", "all")


def test_manifests_use_the_pull_policy_and_secrets_of_the_operators_image() -> None:
    defaults = WorkerDefaults(
        image="i", nats_url="n", image_pull_policy="Never", image_pull_secrets=("registry", "mirror")
    )

    def made(**worker: Any) -> tuple[Any, Any]:
        pod = deployment(spec(worker=worker), defaults)["spec"]["template"]["spec"]
        return pod["containers"][0].get("imagePullPolicy"), pod.get("imagePullSecrets")

    both = [{"name": "registry"}, {"name": "mirror"}]
    assert made() == ("Never", both)
    assert made(imagePullPolicy="Always", imagePullSecrets=[{"name": "own"}]) == ("Always", [{"name": "own"}])
    # With `Never` the kubelet would not pull the route's own image.
    assert made(image="mine:2") == (None, both)


def test_manifests_use_the_operators_resources_for_a_route_without_its_own() -> None:
    ours = ResourcesSpec(requests={"cpu": "50m"}, limits={"memory": "1Gi"})
    defaults = WorkerDefaults(image="i", nats_url="n", resources=ours)

    def made(**worker: Any) -> Any:
        pod = deployment(spec(worker=worker), defaults)["spec"]["template"]["spec"]
        return pod["containers"][0]["resources"]

    assert made() == {"requests": {"cpu": "50m"}, "limits": {"memory": "1Gi"}}
    # The resources are replaced as a whole, because the default limit could be less than the route's request.
    assert made(resources={"requests": {"memory": "2Gi"}}) == {"requests": {"memory": "2Gi"}}


def test_manifests_take_the_allowed_networks_from_the_operator_only() -> None:
    assert "PENSTOCK_ALLOWED_ADDRESSES" not in env(spec())
    defaults = WorkerDefaults(image="i", nats_url="n", allowed_addresses="127.0.0.0/8")
    assert env(spec(), defaults)["PENSTOCK_ALLOWED_ADDRESSES"] == "127.0.0.0/8"
    from_objects = spec(worker={"envFrom": [{"secretRef": {"name": "all"}}]})
    assert env(from_objects)["PENSTOCK_ALLOWED_ADDRESSES"] == ""


POD_FIELDS: dict[str, Any] = {
    "imagePullSecrets": [{"name": "registry"}],
    "nodeSelector": {"gpu": "no"},
    "tolerations": [{"key": "spot", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}],
    "priorityClassName": "high",
    "runtimeClassName": "gvisor",
}


@pytest.mark.parametrize("field", POD_FIELDS)
def test_manifests_pods_have_the_routes_pod_fields(field: str) -> None:
    assert pod_spec(**{field: POD_FIELDS[field]})[field] == POD_FIELDS[field]
    assert field not in pod_spec()


def test_manifests_container_has_the_routes_container_fields() -> None:
    resources = {"requests": {"cpu": "100m"}, "limits": {"memory": "1Gi"}}

    made = container(image="mine:2", imagePullPolicy="Always", resources=resources)

    assert (made["image"], made["imagePullPolicy"], made["resources"]) == ("mine:2", "Always", resources)


def test_manifests_variables_come_from_secrets_config_maps_and_fields_of_the_pod() -> None:
    sources: list[dict[str, Any]] = [
        {"secretKeyRef": {"name": "proxy", "key": "url"}},
        {"configMapKeyRef": {"name": "proxy", "key": "hosts", "optional": True}},
        {"fieldRef": {"fieldPath": "spec.nodeName"}},
    ]
    made = container(
        env=[{"name": f"A{at}", "valueFrom": source} for at, source in enumerate(sources)],
        envFrom=[{"secretRef": {"name": "all"}}, {"prefix": "B_", "configMapRef": {"name": "more"}}],
    )
    entries = {entry["name"]: entry for entry in made["env"]}
    assert [entries[f"A{at}"] for at in range(3)] == [
        {"name": f"A{at}", "valueFrom": source} for at, source in enumerate(sources)
    ]
    assert made["envFrom"] == [{"secretRef": {"name": "all"}}, {"prefix": "B_", "configMapRef": {"name": "more"}}]
    assert "envFrom" not in container()


def test_manifests_mount_the_routes_volumes_beside_the_operators() -> None:
    volume = {"name": "ca", "configMap": {"name": "company-ca"}}
    mount = {"name": "ca", "mountPath": "/etc/company", "readOnly": True}

    made = pod_spec(volumes=[volume], volumeMounts=[mount, {**mount, "mountPath": "/again"}])

    assert made["volumes"] == [*pod_spec()["volumes"], volume]
    own = pod_spec()["containers"][0]["volumeMounts"]
    assert made["containers"][0]["volumeMounts"] == [*own, mount, {**mount, "mountPath": "/again"}]


def test_manifests_containers_beside_the_worker_have_no_privileges() -> None:
    proxy = {"name": "proxy", "image": "proxy:1", "args": ["--port", "9000"]}
    made = pod_spec(extraContainers=[proxy], initContainers=[{**proxy, "name": "first", "restartPolicy": "Always"}])

    worker, extra = made["containers"]
    (first,) = made["initContainers"]
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert worker["name"] == "worker"
    assert extra == {**proxy, "securityContext": security}
    assert first == {**proxy, "name": "first", "restartPolicy": "Always", "securityContext": security}


def test_manifests_use_defaults_for_fields_that_a_route_omits() -> None:
    made = container()
    assert made["image"] == "penstock:1"
    assert made["command"] == ["penstock", "worker"]
    assert "imagePullPolicy" not in made
    assert "resources" not in made


KEEPS: dict[str, dict[str, Any]] = {
    "models": {"models": [{"name": "gpt", "aliases": ["other"]}, {"name": "more"}]},
    "a provider's address": {"providers": [provider(baseURL="https://example.com/v1", **secret("openai"))]},
    "a header, a query parameter and a field": {
        "providers": [
            provider(
                headers=[{"name": "x-a", "value": "b"}],
                query=[{"name": "a", "value": "b"}],
                set=[{"name": "store", "value": "false"}],
                **secret("openai"),
            )
        ]
    },
    "weights": {"providers": [provider(weight=5, **secret("openai")), provider("b", weight=3)]},
    "a provider without a key of its own": {"providers": [provider(**secret("openai")), provider("b")]},
    "a provider with a key that is there": {
        "providers": [provider("b", **secret("openai")), provider(**secret("openai"))]
    },
    "routing": {"routing": {"retries": 7}},
    "limits": {"limits": {"queueDepth": 3, "requestTimeoutSeconds": 100.0}},
    "scaling": {"scaling": {"minReplicas": 3, "concurrencyPerReplica": 1, "mode": "Manual", "replicas": 9}},
}


ROLLS: dict[str, dict[str, Any]] = {
    "the image": {"worker": {"image": "penstock:2"}},
    "resources": {"worker": {"resources": {"requests": {"cpu": "1"}}}},
    "a variable": {"worker": {"env": [{"name": "A", "value": "b"}]}},
    "a new secret": {"providers": [provider(**secret("openai")), provider("b", **secret("other"))]},
    "a secret of a header": {
        "providers": [provider(headers=[{"name": "x-token", "valueFrom": secret("other")}], **secret("openai"))]
    },
    "another key": {"providers": [provider(**secret("openai", "other"))]},
    "a secret that is no longer used": {"providers": [provider()]},
    "the grace period": {"worker": {"terminationGracePeriodSeconds": 700}},
    "where pods may be": {"worker": {"nodeSelector": {"a": "b"}}},
    "labels of pods": {"worker": {"podLabels": {"a": "b"}}},
    "annotations of pods": {"worker": {"podAnnotations": {"a": "b"}}},
}


BASE = {"providers": [provider(**secret("openai"))]}


@pytest.mark.parametrize("change", KEEPS.values(), ids=KEEPS)
def test_manifests_keep_the_template_for_a_change_that_the_catalogue_carries(change: dict[str, Any]) -> None:
    assert deployment(spec(**(BASE | change))) == deployment(spec(**BASE))


@pytest.mark.parametrize("change", ROLLS.values(), ids=ROLLS)
def test_manifests_change_the_template_for_what_a_running_pod_cannot_receive(change: dict[str, Any]) -> None:
    before, after = deployment(spec(**BASE)), deployment(spec(**(BASE | change)))

    assert after["spec"]["template"] != before["spec"]["template"]
    assert after["metadata"]["annotations"] != before["metadata"]["annotations"]


def test_manifests_keep_the_template_for_another_order_of_unordered_fields() -> None:
    two = [provider("a", **secret("x")), provider("b", **secret("y"))]
    labels = {"podLabels": {"a": "1", "b": "2"}}, {"podLabels": {"b": "2", "a": "1"}}

    assert deployment(spec(providers=two)) == deployment(spec(providers=two[::-1]))
    assert deployment(spec(worker=labels[0]))["metadata"] == deployment(spec(worker=labels[1]))["metadata"]
