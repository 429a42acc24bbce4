"""Changes of the operator's objects by other clients, and policies that prevent its own changes."""

from typing import Any

from harness.faults.scene import Fault, Scene
from harness.kubernetes.api import BUDGETS, DEPLOYMENTS, SERVICE_ACCOUNTS, ApiError, Manifest, Resource
from harness.processes import until

POLICIES = Resource("admissionregistration.k8s.io/v1", "validatingadmissionpolicies")
POLICY_BINDINGS = Resource("admissionregistration.k8s.io/v1", "validatingadmissionpolicybindings")
WEBHOOKS = Resource("admissionregistration.k8s.io/v1", "validatingwebhookconfigurations")


async def deployment_deleted(scene: Scene) -> None:
    await scene.serve()
    path = DEPLOYMENTS.at(scene.namespace, scene.worker)
    await scene.inject(scene.api.delete(path))
    await scene.emits_event("Repaired", f"Deployment {scene.worker}: created again after it was deleted")
    await scene.recovers()


async def deployment_edited(scene: Scene) -> None:
    await scene.serve()
    path = DEPLOYMENTS.at(scene.namespace, scene.worker)
    image = {"spec": {"template": {"spec": {"containers": [{"name": "worker", "image": "test/theirs:1"}]}}}}
    await scene.inject(scene.api.patch(path, image, kind="strategic-merge"))
    await scene.emits_event("Repaired", "containers[worker].image")
    ours = scene.api.until(path, lambda one: "test/theirs:1" not in str(one["spec"]), "our image is back")
    await scene.restored(ours)


async def deployment_scaled(scene: Scene) -> None:
    # Beyond its bounds: within them a foreign number is kept, and changes with the load.
    await scene.serve(scaling={"minReplicas": 1, "maxReplicas": 1})
    path = DEPLOYMENTS.at(scene.namespace, scene.worker)
    await scene.inject(scene.api.patch(f"{path}/scale", {"spec": {"replicas": 3}}))
    await scene.emits_event("AboveMaximum", "from 3 to 1 workers: maxReplicas is 1")
    await scene.restored(scene.api.until(path, lambda one: one["spec"]["replicas"] == 1, "our number is back"))


async def _deleted(scene: Scene, resource: Resource, kind: str) -> None:
    await scene.serve()
    path = resource.at(scene.namespace, scene.worker)
    uid = (await scene.api.get(path))["metadata"]["uid"]
    await scene.inject(scene.api.delete(path))
    await scene.emits_event("Repaired", f"{kind} {scene.worker}: created again after it was deleted")
    await scene.restored(scene.api.until(path, lambda one: one["metadata"]["uid"] != uid, "it is back"))


async def budget_deleted(scene: Scene) -> None:
    await _deleted(scene, BUDGETS, "PodDisruptionBudget")


async def account_deleted(scene: Scene) -> None:
    await _deleted(scene, SERVICE_ACCOUNTS, "ServiceAccount")


async def deployment_stuck(scene: Scene) -> None:
    await scene.serve()
    path = DEPLOYMENTS.at(scene.namespace, scene.worker)
    await scene.api.patch(path, {"metadata": {"finalizers": ["example.com/held"]}})
    await scene.inject(scene.api.delete(path))
    await scene.reports("Ready", "False ApplyFailed", f"Deployment {scene.worker} is being deleted")
    await scene.cure("its finalizer is removed", scene.api.patch(path, {"metadata": {"finalizers": None}}))
    await scene.recovers()


async def deployment_of_others(scene: Scene) -> None:
    labels = {"app": "theirs"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "x", "image": "test/theirs:1"}]}}
    theirs = {
        "metadata": {"name": scene.worker},
        "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template},
    }
    await scene.api.create(DEPLOYMENTS.at(scene.namespace), theirs)
    await scene.inject(scene.create())
    await scene.reports("Accepted", "False InvalidSpec", f'Deployment.apps "{scene.worker}" is invalid: spec.selector')
    await scene.cure("it is removed", scene.api.delete(DEPLOYMENTS.at(scene.namespace, scene.worker)))
    await scene.recovers()


async def refused_by_a_policy(scene: Scene) -> None:
    name = scene.namespace
    writes = ["CREATE", "UPDATE"]
    rule = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": writes, "resources": ["deployments"]}
    policy = {
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": {"resourceRules": [rule]},
            "validations": [{"expression": "false", "message": "not on Sundays"}],
        },
    }
    binding = {
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny"], "matchResources": _only(scene.namespace)},
    }
    await scene.api.create(POLICIES.at(), policy)
    await scene.api.create(POLICY_BINDINGS.at(), binding)
    await until(lambda: _refused(scene), "the policy is in force")
    await scene.inject(scene.create())
    await scene.reports("Accepted", "False InvalidSpec", "not on Sundays")
    await scene.api.delete(POLICY_BINDINGS.at(name=name))
    await scene.api.delete(POLICIES.at(name=name))
    await scene.cure("the policy is removed", until(lambda: _admitted(scene), "the policy is no longer in force"))
    await scene.recovers()


async def broken_webhook(scene: Scene) -> None:
    name = scene.namespace
    rule = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["*"], "resources": ["deployments"]}
    webhook = {
        "name": "broken.example.com",
        "clientConfig": {"url": "https://127.0.0.1:1/"},
        "rules": [rule],
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        **_only(scene.namespace),
    }
    await scene.api.create(WEBHOOKS.at(), {"metadata": {"name": name}, "webhooks": [webhook]})
    await until(lambda: _refused(scene), "the webhook is in force")
    await scene.inject(scene.create())
    await scene.reports("Ready", "False ApplyFailed", 'failed calling webhook "broken.example.com"')
    await scene.api.delete(WEBHOOKS.at(name=name))
    await scene.cure("the webhook is removed", until(lambda: _admitted(scene), "the webhook is no longer in force"))
    await scene.recovers()


async def rights_missing(scene: Scene) -> None:
    await scene.site.grant(scene.namespace, without="deployments")
    await scene.inject(scene.create())
    await scene.reports("Ready", "False ApplyFailed", "deployments.apps")
    await scene.cure("the rights are given", scene.site.grant(scene.namespace))
    await scene.recovers()


async def status_rights_missing(scene: Scene) -> None:
    await scene.serve()
    await scene.site.grant(scene.namespace, without="modelroutes/status")
    await scene.inject(scene.change(worker={"image": "test/none:1"}))

    async def counted() -> bool:
        lines = (await scene.site.operator.metrics()).splitlines()
        return any("modelroutes/status" in line and '"403"' in line for line in lines)

    await until(counted, "the metrics count it")
    scene.record_report("metric penstock_operator_api_calls_total{resource=modelroutes/status, code=403}")
    await scene.cure("the right is given", scene.site.grant(scene.namespace))
    await scene.settles_with("Ready", "False ImagePullFailed")


def _only(namespace: str) -> Manifest:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}


async def _admitted(scene: Scene) -> bool:
    """True if a Deployment can be created here."""
    labels = {"app": "probe"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "x", "image": "test/probe:1"}]}}
    probe: dict[str, Any] = {
        "metadata": {"name": "probe"},
        "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template},
    }
    try:
        await scene.api.create(f"{DEPLOYMENTS.at(scene.namespace)}?dryRun=All", probe)
    except ApiError:
        return False
    return True


async def _refused(scene: Scene) -> bool:
    return not await _admitted(scene)


FAULTS = (
    Fault("the Deployment is deleted", deployment_deleted, hollow=True),
    Fault("the Deployment is edited", deployment_edited, hollow=True),
    Fault("the Deployment is scaled by somebody else", deployment_scaled, hollow=True),
    Fault("the PodDisruptionBudget is deleted", budget_deleted, hollow=True),
    Fault("the ServiceAccount is deleted", account_deleted, hollow=True),
    Fault("the Deployment cannot go away", deployment_stuck, hollow=True),
    Fault("somebody else's Deployment has the name", deployment_of_others, hollow=True),
    Fault("an admission policy refuses the Deployment", refused_by_a_policy, extra="policy", hollow=True),
    Fault("an admission webhook is broken", broken_webhook, extra="webhook", hollow=True),
    Fault("the operator may not touch Deployments", rights_missing, extra="rights", hollow=True),
    Fault("the operator may not write statuses", status_rights_missing, extra="mute", hollow=True),
)
