"""Values that the chart rejects, and its messages."""

from typing import Any

import pytest
from harness.kubernetes.helm import Helm, HelmError


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"gatway": {}}, "additional properties 'gatway' not allowed"),
        ({"gateway": {"replica": 3}}, "at '/gateway': additional properties 'replica' not allowed"),
        ({"gateway": {"replicas": -1}}, "at '/gateway/replicas': minimum: got -1, want 1"),
        ({"gateway": {"replicas": "two"}}, "at '/gateway/replicas': got string, want integer"),
        ({"nats": {"replicas": 2}}, "at '/nats/replicas': value must be one of 1, 3"),
        ({"nats": {"enabled": False}}, "nats.enabled is false: set nats.external.url"),
        ({"nats": {"external": {"url": "http://nats"}}}, "at '/nats/external/url'"),
        ({"nats": {"external": {"url": "nats://a,http://b"}}}, "at '/nats/external/url'"),
        ({"env": None}, "missing property 'env'"),
        ({"gateway": {"env": None}}, "at '/gateway': missing property 'env'"),
        ({"env": [{"name": "PENSTOCK_PORT", "value": "1"}]}, "the variable PENSTOCK_PORT is set twice"),
        (
            {"env": [{"name": "A", "value": "1"}], "gateway": {"env": [{"name": "A", "value": "2"}]}},
            "the variable A is set twice",
        ),
        ({"operator": {"volumes": [{"name": "tmp", "emptyDir": {}}]}}, "the volume tmp is set twice"),
        ({"nats": {"extraContainers": [{"name": "nats", "image": "a"}]}}, "the container nats is set twice"),
        ({"operator": {"modelClaims": [{"models": ["a"]}]}}, "missing property 'namespaces'"),
        ({"operator": {"namespaces": ["Team_A"]}}, "at '/operator/namespaces/0'"),
        ({"operator": {"watchNamespaces": "Selected"}}, "set operator.namespaceSelector, or use All"),
        (
            {"operator": {"watchNamespaces": "Some"}},
            "at '/operator/watchNamespaces': value must be one of 'Listed', 'Selected', 'All'",
        ),
        ({"gateway": {"httpRoute": {"enabled": True}}}, "gateway.httpRoute.parentRefs: which Gateway?"),
        ({"gateway": {"ingress": {"enabled": True}}}, "gateway.ingress.enabled needs gateway.ingress.hosts"),
        ({"gateway": {"autoscaling": {"targetStreams": -1}}}, "at '/gateway/autoscaling/targetStreams': minimum"),
        ({"operator": {"replicas": 0}}, "at '/operator/replicas': minimum: got 0, want 1"),
        ({"image": {"pullPolicy": "Sometimes"}}, "at '/image/pullPolicy': value must be one of"),
        ({"image": {"digest": "sha256:1"}}, "at '/image/digest'"),
        ({"imagePullSecrets": ["registry"]}, "at '/imagePullSecrets/0': got string, want object"),
        ({"workers": {"env": {"OTEL_A": 1}}}, "at '/workers/env/OTEL_A': got number, want string"),
        ({"workers": {"env": {"A B": "1"}}}, "at '/workers/env': additional properties 'A B' not allowed"),
        ({"monitoring": {"dashboards": {}}}, "at '/monitoring': additional properties 'dashboards' not allowed"),
        ({"nats": {"jetstream": {"memoryMax": "much"}}}, "at '/nats/jetstream/memoryMax'"),
        ({"nats": {"jetstream": {"usageMax": "900Mi"}}}, "usageMax must leave 256Mi of nats.jetstream.fileMax"),
        ({"nats": {"jetstream": {"usageDays": 0}}}, "at '/nats/jetstream/usageDays': minimum: got 0, want 1"),
        ({"gateway": {"auth": {"existingSecret": "My_Keys"}}}, "at '/gateway/auth/existingSecret'"),
        (
            {"gateway": {"autoscaling": {"enabled": True, "minReplicas": 5, "maxReplicas": 3}}},
            "minReplicas must not be more than maxReplicas",
        ),
        (
            {"gateway": {"autoscaling": {"enabled": True, "targetCPU": ""}}},
            "needs targetStreams, targetCPU or targetCPUUtilizationPercentage",
        ),
    ],
    ids=str,
)
async def test_chart_rejects_a_wrong_value_with_a_message(helm: Helm, values: dict[str, Any], complaint: str) -> None:
    with pytest.raises(HelmError) as refused:
        await helm.template(values)
    assert complaint in str(refused.value)
