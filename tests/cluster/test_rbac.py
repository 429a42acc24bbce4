"""Rights of the operator: those that it needs, and no other."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from harness.kubernetes.api import ROUTES, Api
from harness.kubernetes.cluster import OPERATOR_RULES
from harness.kubernetes.kubectl import Kubectl, KubectlError
from harness.kubernetes.model_routes import model_route, served
from harness.kubernetes.operator_process import Operators

RULES: list[dict[str, Any]] = yaml.safe_load(Path(OPERATOR_RULES).read_text("utf-8"))

ALLOWED = [
    ("get", "modelroutes.penstock.dev"),
    ("watch", "pods"),
    ("patch", "modelroutes.penstock.dev/status"),
    ("create", "deployments.apps"),
    ("patch", "deployments.apps/scale"),
    ("create", "events.events.k8s.io"),
    ("create", "secrets"),
    ("update", "leases.coordination.k8s.io/penstock-operator"),
]
REFUSED = [
    *((verb, "secrets") for verb in ("get", "list", "watch", "update", "patch", "delete", "deletecollection")),
    ("get", "secrets/provider-key"),
    ("patch", "modelroutes.penstock.dev"),
    ("delete", "modelroutes.penstock.dev"),
    ("create", "pods"),
    ("delete", "pods"),
    ("create", "pods/exec"),
    ("get", "pods/log"),
    ("create", "serviceaccounts/token"),
    ("get", "configmaps"),
    ("update", "leases.coordination.k8s.io/another"),
    ("create", "roles.rbac.authorization.k8s.io"),
    ("impersonate", "users"),
]


def test_rbac_rules_have_no_wildcard_and_read_no_secret() -> None:
    """A patch of a Secret returns its content: the right to create one alone shows only the creator's own."""
    assert RULES
    for rule in RULES:
        assert set(rule) <= {"apiGroups", "resources", "resourceNames", "verbs"}
        words = [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
        assert "*" not in "".join(words)
        if any("secret" in word for word in words):
            assert rule == {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}


async def can_i(kubectl: Kubectl, namespace: str, verb: str, resource: str) -> bool:
    account = f"system:serviceaccount:{namespace}:penstock-operator"
    subresource = []
    kind, _, tail = resource.partition("/")
    if tail in {"status", "scale", "exec", "log", "token"}:
        resource, subresource = kind, [f"--subresource={tail}"]
    try:
        answer = await kubectl("auth", "can-i", verb, resource, *subresource, "-n", namespace, f"--as={account}")
    except KubectlError:
        return False  # it reports no with its exit code as well
    return answer.strip() == "yes"


async def test_rbac_operator_account_has_exactly_the_rights_of_its_rules(
    operators: Operators, kubectl: Kubectl, namespace: str
) -> None:
    await operators.start()
    assert [pair for pair in ALLOWED if not await can_i(kubectl, namespace, *pair)] == []
    assert [pair for pair in REFUSED if await can_i(kubectl, namespace, *pair)] == []
    # Nor anything anywhere else.
    assert [pair for pair in ALLOWED if await can_i(kubectl, "default", *pair)] == []


@pytest.mark.parametrize("scaling", [{"mode": "Manual", "replicas": 1}], ids=["manual"])
async def test_rbac_rules_suffice_for_a_routes_lifecycle(
    api: Api, operators: Operators, namespace: str, scaling: dict[str, Any]
) -> None:
    await operators.start()
    await api.create(ROUTES.at(namespace), model_route(scaling=scaling | {"replicas": 2}))
    await api.until(ROUTES.at(namespace, "main"), served, "it is served", timeout_s=30)
    await api.patch(ROUTES.at(namespace, "main"), {"spec": {"scaling": scaling}})
    await api.until(ROUTES.at(namespace, "main"), served, "it is served", timeout_s=30)
    refused = [write for write in operators.writes() if write.code in {401, 403}]
    assert refused == []
