"""The cluster of the tests is a real control plane: without scheduling, with authorization."""

import pytest
from harness.kubernetes.api import PODS, SECRETS, SERVICE_ACCOUNTS, Api
from harness.kubernetes.cluster import Cluster
from harness.kubernetes.kubectl import Kubectl, KubectlError

RULES = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]


async def test_harness_namespace_has_its_service_account(api: Api, namespace: str) -> None:
    await api.until(SERVICE_ACCOUNTS.at(namespace, "default"), bool, "the controllers made the ServiceAccount")


async def test_rbac_service_account_has_exactly_the_rights_of_its_role(
    cluster: Cluster, api: Api, namespace: str
) -> None:
    await cluster.grant(api, namespace, "reader", RULES)
    config = await cluster.token_kubeconfig(api, namespace, "reader")
    reader = Kubectl(cluster.kubectl.binary, config)

    assert (await reader.json("get", "pods"))["items"] == []
    with pytest.raises(KubectlError, match=f'User "system:serviceaccount:{namespace}:reader" cannot list'):
        await reader("get", "secrets")


async def test_rbac_audit_log_names_the_writer(cluster: Cluster, api: Api, namespace: str) -> None:
    log = cluster.plane.audit_log
    start = log.mark()

    await api.create(SECRETS.at(namespace), {"metadata": {"name": "key"}, "stringData": {"key": "hidden"}})
    await api.list(PODS.at(namespace))

    ours = [write for write in log.writes(user="admin", since=start) if write.namespace == namespace]
    assert [(write.verb, write.resource, write.name, write.code) for write in ours] == [
        ("create", "secrets", "key", 201)
    ]
