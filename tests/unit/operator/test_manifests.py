"""A route's objects and its pods."""

from typing import Any

import pytest
from unit.support.manifests import OWNER, container, deployment, env, pod_spec
from unit.support.routes import UID, spec

from penstock_operator.reconcile import manifests
from penstock_operator.reconcile.owned_object import Manifest
from penstock_runtime.settings import load
from penstock_worker.settings import WorkerSettings

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
    variables = env(spec(worker={"env": [{"name": "PENSTOCK_LOG_LEVEL", "value": "DEBUG"}]}))
    variables["PENSTOCK_WORKER_NAME"] = "main-worker-6d4cf56db6-4q2xk"

    settings = load(WorkerSettings, variables)

    assert (settings.namespace, settings.route) == ("team", "main")
    assert settings.nats_url == "nats://broker:4222"
    assert settings.probe_port == 8081
    assert settings.log_level == "DEBUG"


def test_manifests_worker_has_the_name_of_its_pod() -> None:
    assert env(spec())["PENSTOCK_WORKER_NAME"] == {"fieldRef": {"fieldPath": "metadata.name"}}


@pytest.mark.parametrize(
    ("grace", "seconds"),
    [(660, "660"), (1, "1"), (90_000, "86400")],
)
def test_manifests_worker_has_the_whole_grace_period_for_its_streams(grace: int, seconds: str) -> None:
    """The rule bounds a request by the grace period, so that no request is cut."""
    route = spec(worker={"terminationGracePeriodSeconds": grace}, limits={"requestTimeoutSeconds": 1.0})

    assert deployment(route)["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == grace + 5
    assert env(route)["PENSTOCK_SHUTDOWN_GRACE_S"] == seconds
    assert load(WorkerSettings, env(spec()) | {"PENSTOCK_SHUTDOWN_GRACE_S": seconds, "PENSTOCK_WORKER_NAME": "a"})


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
    assert manifests.needs_disruption_budget(spec(scaling=scaling)) is wanted


def test_manifests_disruption_budget_evicts_one_ready_worker_at_a_time_and_any_that_is_not_ready() -> None:
    assert manifests.disruption_budget(OWNER)["spec"] == {
        "maxUnavailable": 1,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": {"matchLabels": {"penstock.dev/route": "main"}},
    }
