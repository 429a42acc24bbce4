"""Differences between wanted and live objects, and their owners."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.support.routes import UID, provider, secret, spec

from penstock_operator.reconcile import drift, manifests
from penstock_operator.reconcile.owned_object import Manifest, Owner
from penstock_operator.reconcile.pod_template import WorkerDefaults

WORKER = {
    "image": "penstock:2",
    "resources": {"requests": {"cpu": "1000m", "memory": "1Gi"}},
    "env": [{"name": "EMPTY", "value": ""}, {"name": "A", "value": "b"}],
    "tolerations": [{"key": "spot", "operator": "Exists"}],
    "volumes": [{"name": "ca", "configMap": {"name": "company-ca"}}],
    "volumeMounts": [{"name": "ca", "mountPath": "/a"}, {"name": "ca", "mountPath": "/b"}],
}
WANTED = manifests.deployment(
    Owner("team", "main", UID),
    spec(providers=[provider(**secret("openai"))], worker=WORKER),
    WorkerDefaults(image="penstock:1", nats_url="nats://broker"),
)


def live() -> Manifest:
    """The wanted object as the API server returns it."""
    made = copy.deepcopy(WANTED)
    made["metadata"] |= {"uid": "2", "resourceVersion": "7", "generation": 1}
    made["spec"] |= {"replicas": 3, "progressDeadlineSeconds": 600}
    pod = made["spec"]["template"]["spec"]
    pod |= {"restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler"}
    (container,) = pod["containers"]
    container |= {"terminationMessagePath": "/dev/termination-log", "imagePullPolicy": "IfNotPresent"}
    container["resources"] = {"requests": {"cpu": "1", "memory": "1024Mi"}}
    container["livenessProbe"] |= {"successThreshold": 1}
    container["livenessProbe"]["httpGet"] |= {"scheme": "HTTP"}
    for env in container["env"]:
        if env.get("value") == "":
            del env["value"]
        if "fieldRef" in env.get("valueFrom", {}):
            env["valueFrom"]["fieldRef"]["apiVersion"] = "v1"
    # An item of a list has neither of them.
    del made["kind"], made["apiVersion"]
    return made


def set_at(path: str, value: Any) -> Manifest:
    """The live object with `value` at a path of keys and indices; None removes the present value."""
    made = live()
    *parents, last = path.split("/")
    at: Any = made
    for key in parents:
        at = at[int(key)] if isinstance(at, list) else at[key]
    key = int(last) if isinstance(at, list) else last
    if value is None:
        del at[key]
    else:
        at[key] = value
    return made


def test_drift_ignores_defaults_of_the_api_server() -> None:
    assert drift.differences(WANTED, live()) == []


ADDED: dict[str, tuple[str, Any]] = {
    "an annotation": ("metadata/annotations/other", "x"),
    "a label": ("metadata/labels/other", "x"),
    "the number of workers": ("spec/replicas", 9),
    "an annotation of the pods": ("spec/template/metadata/annotations", {"kubectl.kubernetes.io/restartedAt": "x"}),
    "a field that we have no opinion on": ("spec/minReadySeconds", 5),
    "a sidecar": (
        "spec/template/spec/containers",
        [{"name": "mesh", "image": "mesh"}, *live()["spec"]["template"]["spec"]["containers"]],
    ),
    "a second owner": (
        "metadata/ownerReferences",
        [*WANTED["metadata"]["ownerReferences"], {"uid": "other", "kind": "X", "name": "x"}],
    ),
}
EDITED: dict[str, tuple[str, Any, str]] = {
    "the image": (
        "spec/template/spec/containers/0/image",
        "evil",
        "spec.template.spec.containers[worker].image",
    ),
    "a variable's value": (
        "spec/template/spec/containers/0/env/1/value",
        "c",
        "spec.template.spec.containers[worker].env[A].value",
    ),
    "a variable that is gone": (
        "spec/template/spec/containers/0/env/1",
        None,
        "spec.template.spec.containers[worker].env[A]",
    ),
    "a value where there was none": (
        "spec/template/spec/containers/0/env/0/value",
        "x",
        "spec.template.spec.containers[worker].env[EMPTY].value",
    ),
    "a quantity": (
        "spec/template/spec/containers/0/resources/requests/cpu",
        "999m",
        "spec.template.spec.containers[worker].resources.requests.cpu",
    ),
    "resources that are gone": (
        "spec/template/spec/containers/0/resources",
        None,
        "spec.template.spec.containers[worker].resources",
    ),
    "a toleration's text": (
        "spec/template/spec/tolerations/0/key",
        "other",
        "spec.template.spec.tolerations[0].key",
    ),
    "a toleration more": (
        "spec/template/spec/tolerations",
        [{"key": "spot", "operator": "Exists"}, {"operator": "Exists"}],
        "spec.template.spec.tolerations",
    ),
    "the command": (
        "spec/template/spec/containers/0/command",
        ["sh"],
        "spec.template.spec.containers[worker].command",
    ),
    "a flag that is turned": (
        "spec/template/spec/automountServiceAccountToken",
        True,
        "spec.template.spec.automountServiceAccountToken",
    ),
    "a flag that is gone": (
        "spec/template/spec/enableServiceLinks",
        None,
        "spec.template.spec.enableServiceLinks",
    ),
    "a number that is 0": (
        "spec/strategy/rollingUpdate/maxUnavailable",
        None,
        "spec.strategy.rollingUpdate.maxUnavailable",
    ),
    "the owner": ("metadata/ownerReferences/0/controller", False, f"metadata.ownerReferences[{UID}].controller"),
}


@pytest.mark.parametrize(("path", "value"), ADDED.values(), ids=ADDED)
def test_drift_ignores_additions_of_other_clients(path: str, value: Any) -> None:
    assert drift.differences(WANTED, set_at(path, value)) == []


@pytest.mark.parametrize(("path", "value", "named"), EDITED.values(), ids=EDITED)
def test_drift_names_a_change_of_another_client(path: str, value: Any, named: str) -> None:
    assert drift.differences(WANTED, set_at(path, value)) == [named]
    assert drift.edits(WANTED, set_at(path, value)) == [named]


def test_drift_reports_a_removed_label() -> None:
    made = live()
    del made["metadata"]["labels"]["penstock.dev/route"]

    assert drift.differences(WANTED, made) == ["metadata.labels.penstock.dev/route"]


def test_drift_reports_a_field_that_is_no_longer_wanted() -> None:
    without = manifests.deployment(
        Owner("team", "main", UID),
        spec(providers=[provider(**secret("openai"))], worker=WORKER | {"env": []}),
        WorkerDefaults(image="penstock:1", nats_url="nats://broker"),
    )

    assert drift.differences(without, live()) == ["metadata.annotations.penstock.dev/applied"]


def test_drift_does_not_report_a_changed_manifest_as_an_edit() -> None:
    after = manifests.deployment(
        Owner("team", "main", UID), spec(), WorkerDefaults(image="penstock:3", nats_url="nats://broker")
    )

    assert drift.differences(after, live())
    assert drift.edits(after, live()) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1000m", "1"),
        ("1", 1),
        ("0.5", "500m"),
        (".5", "500m"),
        ("1Gi", "1024Mi"),
        ("1024Ki", "1Mi"),
        ("1G", "1000M"),
        ("1e3", "1k"),
        ("1E", "1000P"),
        ("+5", "5"),
        ("1.50", "1500m"),
        ("100n", "0.1u"),
        ("1.5Gi", "1536Mi"),
    ],
)
def test_drift_compares_quantities_in_every_spelling(one: Any, other: Any) -> None:
    assert drift.same_quantity(one, other)
    assert drift.same_quantity(other, one)


@pytest.mark.parametrize(("one", "other"), [("1", "1001m"), ("1G", "1Gi"), ("1m", "1M"), ("x", "y"), ("1", "x")])
def test_drift_reports_another_quantity(one: Any, other: Any) -> None:
    assert not drift.same_quantity(one, other)


@given(st.integers(0, 10**9), st.sampled_from(["", "k", "M", "Ki", "Mi", "m"]))
def test_drift_compares_quantities_in_thousandths(number: int, suffix: str) -> None:
    factor = {"": 1, "k": 10**3, "M": 10**6, "Ki": 2**10, "Mi": 2**20}.get(suffix)
    thousandths = number if factor is None else number * factor * 1000

    assert drift.same_quantity(f"{number}{suffix}", f"{thousandths}m")


def entry(manager: str, operation: str = "Apply", *, subresource: str = "", replicas: bool = True) -> Manifest:
    fields = {"f:spec": {"f:replicas": {}} if replicas else {"f:template": {}}}
    made = {"manager": manager, "operation": operation, "fieldsV1": fields}
    return made | ({"subresource": subresource} if subresource else {})


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        ([entry("penstock")], 3),
        ([entry("penstock"), entry("other", "Update", replicas=False)], 3),
        ([entry("penstock", replicas=False), entry("penstock-scaler", "Update", subresource="scale")], None),
        ([entry("penstock"), entry("penstock-scaler", "Update", subresource="scale")], None),
        ([entry("penstock", replicas=False), entry("kubectl", "Update")], None),
        ([entry("penstock", replicas=False)], None),
        ([], None),
    ],
    ids=[
        "ours alone",
        "others own other fields",
        "a scaler's",
        "shared",
        "another client's edit",
        "without an owner",
        "unknown",
    ],
)
def test_drift_keeps_the_number_of_workers_of_a_single_owner(fields: list[Manifest], kept: int | None) -> None:
    made = live()
    made["metadata"]["managedFields"] = fields

    assert drift.replicas_to_keep(made, "penstock") == kept
