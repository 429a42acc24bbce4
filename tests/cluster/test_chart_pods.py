"""Pods, accounts and rules in the rendered chart: security contexts, tokens, probes, selectors, mounted keys."""

from collections.abc import Mapping
from typing import Any

import yaml
from harness.kubernetes.chart_labels import CLASHING, SELECTING
from harness.kubernetes.chart_objects import EVERYTHING, named, of_kind, pods, selects, variables
from harness.kubernetes.helm import CHART, Helm


def test_chart_pods_meet_the_restricted_pod_security_standard(objects: list[dict[str, Any]]) -> None:
    for component, pod in pods(objects):
        context = pod["spec"]["securityContext"]
        assert context["runAsNonRoot"], component
        assert context["runAsUser"] > 0, component
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, component
        for container in pod["spec"]["containers"]:
            own = container["securityContext"]
            assert own == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}
            assert "memory" in container["resources"]["limits"]
        for volume in pod["spec"]["volumes"]:
            assert {"emptyDir", "configMap", "secret", "projected"} & volume.keys(), component


def test_chart_mounts_a_token_only_for_the_operator_and_the_key_job(objects: list[dict[str, Any]]) -> None:
    for component, pod in pods(objects):
        assert pod["spec"]["automountServiceAccountToken"] is (component in {"operator", "nats-keys"})
        assert pod["spec"]["enableServiceLinks"] is False
    for account in of_kind(objects, "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False
    bindings = of_kind(objects, "RoleBinding") + of_kind(objects, "ClusterRoleBinding")
    assert bindings
    assert {subject["name"] for binding in bindings for subject in binding["subjects"]} == {
        "penstock-operator",
        *(job["metadata"]["name"] for job in of_kind(objects, "Job")),
    }


def test_chart_servers_have_three_probes_and_a_grace_period(objects: list[dict[str, Any]]) -> None:
    for component, pod in pods(objects):
        if component in {"test", "nats-keys"}:
            continue
        (container,) = pod["spec"]["containers"]
        assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys(), component
        if component == "gateway":
            grace_s = pod["spec"]["terminationGracePeriodSeconds"]
            pause_s = container["lifecycle"]["preStop"]["sleep"]["seconds"]
            assert int(variables(pod)["PENSTOCK_SHUTDOWN_GRACE_S"]) + pause_s < grace_s


def test_chart_selectors_match_only_their_pods(objects: list[dict[str, Any]]) -> None:
    made = dict(pods(objects))
    for one in (
        of_kind(objects, "Deployment") + of_kind(objects, "StatefulSet") + of_kind(objects, "PodDisruptionBudget")
    ):
        found = {component for component, pod in made.items() if selects(one["spec"]["selector"], pod)}
        assert found == {one["metadata"]["labels"]["app.kubernetes.io/component"]}
    for service in of_kind(objects, "Service"):
        found = {
            component for component, pod in made.items() if selects({"matchLabels": service["spec"]["selector"]}, pod)
        }
        assert found == {service["metadata"]["labels"]["app.kubernetes.io/component"]}


def test_chart_operator_rules_are_the_files_and_the_lease_only_in_its_namespace(
    rendered: Mapping[str, Any],
) -> None:
    shipped = yaml.safe_load((CHART / "files" / "operator-rules.yaml").read_text("utf-8"))
    lease = [rule for rule in shipped if rule["apiGroups"] == ["coordination.k8s.io"]]
    routes = [rule for rule in shipped if rule not in lease]
    assert lease

    def granted(variant: str) -> dict[tuple[str, str], Any]:
        roles = of_kind(rendered[variant], "Role") + of_kind(rendered[variant], "ClusterRole")
        own = [role for role in roles if role["metadata"]["labels"]["app.kubernetes.io/component"] == "operator"]
        return {(one["metadata"].get("namespace", "*"), one["metadata"]["name"]): one["rules"] for one in own}

    assert granted("everything") == {
        ("ai", "penstock-operator-leader"): lease,
        ("ai", "penstock-operator"): routes,
        ("team-a", "ai-penstock-operator"): routes,
    }
    assert granted("smallest") == {("ai", "penstock-operator-leader"): lease, ("*", "ai-penstock-operator"): routes}


def test_chart_key_job_reads_only_its_secret(
    rendered: Mapping[str, Any],
) -> None:
    assert named(rendered["default"], "Role", "penstock-nats-keys")["rules"] == [
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]},
        {
            "apiGroups": [""],
            "resources": ["secrets"],
            "resourceNames": ["penstock-nats-keys", "penstock-nats-admin"],
            "verbs": ["get", "patch"],
        },
    ]
    for variant in ("external-nats", "shared-nats-user"):
        assert of_kind(rendered[variant], "Job") == []
        rules = [rule for role in of_kind(rendered[variant], "Role") for rule in role["rules"]]
        assert not any("secrets" in rule["resources"] for rule in rules), "no component creates one"


def test_chart_mounts_only_the_needed_broker_keys(rendered: Mapping[str, Any]) -> None:
    def mounted(variant: str) -> dict[str, tuple[str, set[str]]]:
        found = {}
        for component, pod in pods(rendered[variant]):
            for volume in pod["spec"]["volumes"]:
                for source in (volume, *volume.get("projected", {}).get("sources", [])):
                    if (secret := source.get("secret")) is not None:
                        name = secret.get("secretName", secret.get("name"))
                        found[component] = name, {item["key"] for item in secret["items"]}
        return found

    assert mounted("default") == {
        "nats": ("penstock-nats-keys", {"auth.conf"}),
        "gateway": ("penstock-nats-keys", {"gateway.creds"}),
        "operator": ("penstock-nats-keys", {"operator.creds", "signing.json"}),
    }
    assert mounted("external-nats") == {}
    assert mounted("shared-nats-user") == {
        "gateway": ("of-mine", {"gateway.creds"}),
        "operator": ("of-mine", {"operator.creds"}),
    }
    operator = dict(pods(rendered["shared-nats-user"]))["operator"]
    assert variables(operator)["PENSTOCK_WORKER_NATS_SECRET"] == "of-all-workers"
    assert operator["metadata"]["annotations"]["penstock.dev/nats-keys"] == "2027"


def test_chart_version_change_alone_restarts_no_pod(objects: list[dict[str, Any]]) -> None:
    for component, pod in pods(objects):
        changing = {"helm.sh/chart", "app.kubernetes.io/version"} & pod["metadata"]["labels"].keys()
        assert component == "test" or not changing, component


async def test_chart_selectors_hold_with_any_extra_labels(helm: Helm) -> None:
    objects = await helm.template(CLASHING)
    for one in objects:
        labels = one["metadata"]["labels"]
        assert "mine" not in {labels[key] for key in SELECTING}
        assert labels["app.kubernetes.io/part-of"] in {"mine", "pods", "monitoring"}
    found = dict(pods(objects))
    for one in of_kind(objects, "Deployment") + of_kind(objects, "StatefulSet"):
        assert selects(one["spec"]["selector"], found[one["metadata"]["labels"]["app.kubernetes.io/component"]])
    assert found["gateway"]["metadata"]["labels"]["app.kubernetes.io/part-of"] == "pods"
    assert found["nats"]["metadata"]["annotations"]["penstock.dev/nats-keys"] == "2027"
    assert found["nats"]["metadata"]["annotations"]["checksum/config"] != "mine"
    assert found["test"]["metadata"]["annotations"]["helm.sh/hook"] == "test"
    for component in ("nats-keys", "test"):
        assert found[component]["metadata"]["annotations"]["sidecar.istio.io/inject"] == "false"


async def test_chart_leaves_every_user_id_to_the_cluster(helm: Helm) -> None:
    """OpenShift's restricted-v2 allows no UID outside the namespace's range; goharbor/harbor-helm #874."""
    unset = {"podSecurityContext": {"runAsUser": None, "runAsGroup": None, "fsGroup": None}}
    objects = await helm.template({**EVERYTHING, **unset})
    found = dict(pods(objects))
    assert found.keys() >= {"gateway", "operator", "nats", "nats-keys", "test", "chat-model"}
    for component, pod in found.items():
        assert pod["spec"]["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}, (
            component
        )
    assert not {"PENSTOCK_WORKER_RUN_AS_USER", "PENSTOCK_WORKER_RUN_AS_GROUP"} & variables(found["operator"]).keys()
    # Of a namespace of OpenShift: Helm reads numbers as floats.
    given = {"podSecurityContext": {"runAsUser": 1000650000, "runAsGroup": 0, "fsGroup": 1000650000}}
    found = dict(pods(await helm.template(given)))
    assert found["nats"]["spec"]["securityContext"]["fsGroup"] == 1000650000
    assert found["gateway"]["spec"]["securityContext"]["runAsUser"] == 1000650000
    environ = variables(found["operator"])
    assert (environ["PENSTOCK_WORKER_RUN_AS_USER"], environ["PENSTOCK_WORKER_RUN_AS_GROUP"]) == ("1000650000", "0")
