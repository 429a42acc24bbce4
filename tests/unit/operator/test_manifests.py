"""A route's objects: what is in them, what restarts workers and what does not."""

import re
import secrets
from typing import Any

import pytest
from msgspec.structs import replace
from unit.support.routes import UID, provider, secret, spec, spec_document

from penstock_contract.route.spec import ModelRouteSpec
from penstock_contract.route.worker import ResourcesSpec
from penstock_operator.nats.keys import WORKER, NatsKeys
from penstock_operator.reconcile import manifests, owned_object, pod_template
from penstock_operator.reconcile.owned_object import Manifest, Owner
from penstock_operator.reconcile.pod_template import WorkerDefaults
from penstock_operator.routes import worker_variables
from penstock_runtime.settings import load
from penstock_worker.settings import WorkerSettings

OWNER = Owner("team", "main", UID)
DEFAULTS = WorkerDefaults(image="penstock:1", nats_url="nats://broker:4222")


def deployment(route: ModelRouteSpec | None = None, defaults: WorkerDefaults = DEFAULTS) -> Manifest:
    return manifests.deployment(OWNER, route or spec(), defaults)


def pod_spec(**worker: Any) -> Manifest:
    made: Manifest = deployment(spec(worker=worker))["spec"]["template"]["spec"]
    return made


def container(**worker: Any) -> Manifest:
    (made,) = pod_spec(**worker)["containers"]
    return dict(made)


def env(route: ModelRouteSpec, defaults: WorkerDefaults = DEFAULTS) -> dict[str, Any]:
    (made,) = deployment(route, defaults)["spec"]["template"]["spec"]["containers"]
    names = [one["name"] for one in made["env"]]
    assert len(names) == len(set(names))
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in made["env"]}


EVERYTHING = [deployment(), manifests.service_account(OWNER, spec()), manifests.disruption_budget(OWNER)]


@pytest.mark.parametrize("manifest", EVERYTHING, ids=lambda manifest: manifest["kind"])
def test_manifests_have_the_route_as_their_owner(manifest: Manifest) -> None:
    assert manifest["metadata"]["ownerReferences"] == [
        {
            "apiVersion": "penstock.dev/v1alpha1",
            "kind": "ModelRoute",
            "name": "main",
            "uid": UID,
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]


@pytest.mark.parametrize("manifest", EVERYTHING, ids=lambda manifest: manifest["kind"])
def test_manifests_label_every_object_for_the_operator_and_its_route(manifest: Manifest) -> None:
    metadata = manifest["metadata"]
    assert (metadata["namespace"], metadata["name"]) == ("team", "main-worker")
    assert metadata["labels"] == {
        "app.kubernetes.io/name": "penstock-worker",
        "app.kubernetes.io/instance": "main",
        "app.kubernetes.io/managed-by": "penstock-operator",
        "penstock.dev/route": "main",
    }


def test_manifests_deployment_has_no_number_of_workers() -> None:
    assert "replicas" not in deployment()["spec"]


def test_manifests_change_nothing_else_with_the_number_of_workers() -> None:
    made = manifests.with_replicas(deployment(), 3, resource_version="7")

    assert made["spec"].pop("replicas") == 3
    assert made["metadata"].pop("resourceVersion") == "7"
    assert made == deployment()


def test_manifests_selector_never_changes_and_matches_the_pods() -> None:
    made = deployment(spec(worker={"podLabels": {"penstock.dev/route": "other", "team": "a"}}))["spec"]

    assert made["selector"] == {"matchLabels": {"penstock.dev/route": "main"}}
    assert made["template"]["metadata"]["labels"]["penstock.dev/route"] == "main"
    assert made["template"]["metadata"]["labels"]["team"] == "a"


def test_manifests_rollout_has_new_workers_ready_before_old_ones_are_removed() -> None:
    strategy = deployment()["spec"]["strategy"]
    assert strategy == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "25%"}}


def test_manifests_pods_keep_to_the_restricted_standard() -> None:
    pod, made = pod_spec(), container()

    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert made["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }


def test_manifests_pods_have_no_token_and_no_variables_of_services() -> None:
    assert pod_spec()["automountServiceAccountToken"] is False
    assert pod_spec()["enableServiceLinks"] is False
    assert pod_spec()["serviceAccountName"] == "main-worker"
    assert manifests.service_account(OWNER, spec())["automountServiceAccountToken"] is False


def test_manifests_pods_have_one_writable_bounded_directory() -> None:
    assert container()["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]
    assert pod_spec()["volumes"] == [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}]


def test_manifests_readiness_probe_detects_a_draining_worker_within_seconds() -> None:
    made = container()
    assert made["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": 8081}
    assert made["readinessProbe"]["periodSeconds"] * made["readinessProbe"]["failureThreshold"] <= 3
    assert made["livenessProbe"]["httpGet"]["path"] == made["startupProbe"]["httpGet"]["path"] == "/livez"


def test_manifests_variables_are_readable_as_worker_settings() -> None:
    told = env(spec(worker={"env": [{"name": "PENSTOCK_LOG_LEVEL", "value": "DEBUG"}]}))
    told["PENSTOCK_WORKER_NAME"] = "main-worker-6d4cf56db6-4q2xk"

    settings = load(WorkerSettings, told)

    assert (settings.namespace, settings.route) == ("team", "main")
    assert settings.nats_url == "nats://broker:4222"
    assert settings.probe_port == 8081
    assert settings.log_level == "DEBUG"


def test_manifests_worker_has_the_name_of_its_pod() -> None:
    assert env(spec())["PENSTOCK_WORKER_NAME"] == {"fieldRef": {"fieldPath": "metadata.name"}}


@pytest.mark.parametrize(
    ("grace", "told"),
    [(660, "660"), (1, "1"), (90_000, "86400")],
)
def test_manifests_worker_has_the_whole_grace_period_for_its_streams(grace: int, told: str) -> None:
    """The rule is that a request takes no longer than the grace period: then none is given up on."""
    route = spec(worker={"terminationGracePeriodSeconds": grace}, limits={"requestTimeoutSeconds": 1.0})

    assert deployment(route)["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == grace + 5
    assert env(route)["PENSTOCK_SHUTDOWN_GRACE_S"] == told
    assert load(WorkerSettings, env(spec()) | {"PENSTOCK_SHUTDOWN_GRACE_S": told, "PENSTOCK_WORKER_NAME": "a"})


def test_manifests_mount_each_secret_as_one_variable() -> None:
    shared = [provider("a", **secret("openai")), provider("b", **secret("openai")), provider("c", **secret("azure"))]

    told = env(spec(providers=shared))

    assert told["OPENAI_KEY"] == {"secretKeyRef": {"name": "openai", "key": "key"}}
    assert told["AZURE_KEY"] == {"secretKeyRef": {"name": "azure", "key": "key"}}


def test_manifests_mount_the_secrets_of_headers_and_query_like_keys() -> None:
    def named(name: str, key: str) -> dict[str, Any]:
        return {"name": name, "valueFrom": secret("access", key)}

    one = provider(
        **secret("openai"),
        headers=[named("cf-access-client-id", "id"), named("cf-access-client-secret", "secret")],
        query=[named("key", "query")],
    )

    told = env(spec(providers=[one]))
    pod = deployment(spec(providers=[one]))["spec"]["template"]["spec"]

    assert told["ACCESS_SECRET"] == {"secretKeyRef": {"name": "access", "key": "secret"}}
    assert {"OPENAI_KEY", "ACCESS_ID", "ACCESS_SECRET", "ACCESS_QUERY"} <= told.keys()
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

    told = env(spec(worker={"env": [{"name": "OTEL_A", "value": "mine"}]}), defaults)

    assert (told["OTEL_A"], told["OTEL_B"]) == ("mine", "all")


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
    # By `Never` an image of the route's own would not come at all.
    assert made(image="mine:2") == (None, both)


def test_manifests_use_the_operators_resources_for_a_route_without_its_own() -> None:
    ours = ResourcesSpec(requests={"cpu": "50m"}, limits={"memory": "1Gi"})
    defaults = WorkerDefaults(image="i", nats_url="n", resources=ours)

    def made(**worker: Any) -> Any:
        pod = deployment(spec(worker=worker), defaults)["spec"]["template"]["spec"]
        return pod["containers"][0]["resources"]

    assert made() == {"requests": {"cpu": "50m"}, "limits": {"memory": "1Gi"}}
    # Whole: the default limit could be less than its request.
    assert made(resources={"requests": {"memory": "2Gi"}}) == {"requests": {"memory": "2Gi"}}


def test_manifests_take_the_allowed_networks_from_the_operator_only() -> None:
    assert "PENSTOCK_ALLOWED_ADDRESSES" not in env(spec())
    defaults = WorkerDefaults(image="i", nats_url="n", allowed_addresses="127.0.0.0/8")
    assert env(spec(), defaults)["PENSTOCK_ALLOWED_ADDRESSES"] == "127.0.0.0/8"


POD_FIELDS: dict[str, Any] = {
    "imagePullSecrets": [{"name": "registry"}],
    "nodeSelector": {"gpu": "no"},
    "tolerations": [{"key": "spot", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}],
    "priorityClassName": "high",
}


@pytest.mark.parametrize("field", POD_FIELDS)
def test_manifests_pods_have_the_routes_pod_fields(field: str) -> None:
    assert pod_spec(**{field: POD_FIELDS[field]})[field] == POD_FIELDS[field]
    assert field not in pod_spec()


def test_manifests_container_has_the_routes_container_fields() -> None:
    resources = {"requests": {"cpu": "100m"}, "limits": {"memory": "1Gi"}}

    made = container(image="mine:2", imagePullPolicy="Always", resources=resources)

    assert (made["image"], made["imagePullPolicy"], made["resources"]) == ("mine:2", "Always", resources)


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


@pytest.mark.parametrize(
    ("scaling", "wanted"),
    [
        ({}, True),
        ({"maxReplicas": 2}, True),
        ({"maxReplicas": 1}, False),
        ({"mode": "Manual", "replicas": 2, "maxReplicas": 1}, True),
        ({"mode": "Manual", "replicas": 1}, False),
        ({"mode": "Manual", "replicas": 0}, False),
    ],
)
def test_manifests_have_a_disruption_budget_for_more_than_one_worker(scaling: dict[str, Any], wanted: bool) -> None:
    assert manifests.wants_disruption_budget(spec(scaling=scaling)) is wanted


def test_manifests_disruption_budget_evicts_one_ready_worker_at_a_time_and_any_that_is_not_ready() -> None:
    assert manifests.disruption_budget(OWNER)["spec"] == {
        "maxUnavailable": 1,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": {"matchLabels": {"penstock.dev/route": "main"}},
    }


@pytest.mark.parametrize(
    ("document", "clash"),
    [
        (
            spec_document(providers=[provider("a", **secret("a-b", "c")), provider("b", **secret("a", "b-c"))]),
            "providers: a-b/c and a/b-c would both be the variable A_B_C",
        ),
        (
            spec_document(providers=[provider(**secret("penstock", "route"))]),
            "providers: penstock/route would be the variable PENSTOCK_ROUTE, which the operator sets",
        ),
        (
            spec_document(worker={"env": [{"name": "PENSTOCK_NAMESPACE"}]}),
            "worker: env must not set PENSTOCK_NAMESPACE, which the operator sets",
        ),
        (
            spec_document(worker={"env": [{"name": "PENSTOCK_ALLOWED_ADDRESSES", "value": "0.0.0.0/0"}]}),
            "worker: env must not set PENSTOCK_ALLOWED_ADDRESSES, which the operator sets",
        ),
        (
            spec_document(providers=[provider(**secret("openai"))], worker={"env": [{"name": "OPENAI_KEY"}]}),
            "worker: env must not set OPENAI_KEY, which the operator sets",
        ),
    ],
)
def test_worker_variables_report_a_variable_that_is_set_twice(document: dict[str, Any], clash: str) -> None:
    assert worker_variables.clashes(spec(**document)) == [clash]


def test_worker_variables_accept_one_secret_of_two_providers() -> None:
    two = [provider("a", **secret("openai")), provider("b", **secret("openai"))]
    assert worker_variables.clashes(spec(providers=two)) == []


KEYS = NatsKeys.new(secrets.token_bytes, 1_790_000_000)
MINTING = replace(DEFAULTS, signing_key=KEYS.signing_key)


def test_manifests_with_a_signing_key_have_one_unchanged_secret_per_route() -> None:
    made = manifests.credentials(OWNER, MINTING)
    assert made is not None
    assert made == manifests.credentials(OWNER, MINTING)
    assert made["immutable"] is True
    assert made["stringData"] == {WORKER: KEYS.signing_key.of_workers("team", "main", UID)}
    assert made["metadata"]["ownerReferences"] == deployment()["metadata"]["ownerReferences"]
    rotated = replace(DEFAULTS, signing_key=KEYS.rotated("2", secrets.token_bytes).signing_key)
    names = {
        made["metadata"]["name"],
        (manifests.credentials(Owner("team", "other", UID), MINTING) or {})["metadata"]["name"],
        (manifests.credentials(Owner("team", "main", "uid-2"), MINTING) or {})["metadata"]["name"],
        (manifests.credentials(OWNER, rotated) or {})["metadata"]["name"],
    }
    assert len(names) == 4
    assert all(re.fullmatch(r"(main|other)-worker-nats-[0-9a-f]{10}", name) for name in names)


def test_manifests_without_a_signing_key_have_no_secret() -> None:
    assert manifests.credentials(OWNER, DEFAULTS) is None
    assert manifests.credentials(OWNER, replace(DEFAULTS, nats_secret="shared")) is None


def test_manifests_pass_nats_credentials_as_a_file() -> None:
    made = deployment(defaults=replace(DEFAULTS, nats_secret="of-mine"))["spec"]["template"]["spec"]
    (worker,) = made["containers"]
    assert {"name": "nats", "secret": {"secretName": "of-mine"}} in made["volumes"]
    assert {"name": "nats", "mountPath": pod_template.CREDENTIALS, "readOnly": True} in worker["volumeMounts"]
    variables = {one["name"]: one.get("value") for one in worker["env"]}
    assert variables["PENSTOCK_NATS_CREDENTIALS"] == f"{pod_template.CREDENTIALS}/{WORKER}"


def test_manifests_without_credentials_mount_nothing() -> None:
    made = deployment()["spec"]["template"]["spec"]
    assert [volume["name"] for volume in made["volumes"]] == ["tmp"]
    assert "PENSTOCK_NATS_CREDENTIALS" not in env(spec())
