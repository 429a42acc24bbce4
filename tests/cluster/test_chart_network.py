"""Allowed connections by the chart's NetworkPolicies: rendered and evaluated, as no network here enforces them."""

from collections.abc import Mapping
from typing import Any

import pytest
from harness.kubernetes.chart_objects import EVERYTHING, VARIANTS, WORKER, named, of_kind, pods, selects


@pytest.mark.parametrize("variant", [name for name in VARIANTS if name != "smallest"])
def test_chart_network_policies_cover_every_server_in_both_directions(
    rendered: Mapping[str, Any], variant: str
) -> None:
    objects = rendered[variant]
    policies = of_kind(objects, "NetworkPolicy")
    for policy in policies:
        assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    for component, pod in pods(objects):
        assert sum(selects(policy["spec"]["podSelector"], pod) for policy in policies) == 1, component


def test_chart_network_policy_selects_the_operators_workers(rendered: Mapping[str, Any]) -> None:
    policies = of_kind(rendered["everything"], "NetworkPolicy")
    found = [one["metadata"] for one in policies if selects(one["spec"]["podSelector"], WORKER)]
    assert [(one["namespace"], one["name"]) for one in found] == [
        ("ai", "penstock-workers"),
        ("team-a", "ai-penstock-workers"),
    ]
    for endpoint in ("penstock-nats", "penstock-models"):
        (rule, *_) = named(rendered["everything"], "NetworkPolicy", endpoint)["spec"]["ingress"]
        peer = rule["from"][-1]
        assert selects(peer["podSelector"], WORKER)
        assert peer["namespaceSelector"]["matchExpressions"][0]["values"] == ["ai", "team-a"]


@pytest.mark.parametrize(
    ("origin", "target", "port", "reached"),
    [
        ("gateway", "nats", 4222, True),
        ("operator", "nats", 4222, True),
        ("worker", "nats", 4222, True),
        ("worker", "chat-model", 8080, True),
        ("worker", "embedding-model", 8080, True),
        ("nats", "nats", 6222, True),
        ("test", "gateway", 8080, True),
        ("test", "nats", 4222, False),
        ("gateway", "nats", 6222, False),
        ("gateway", "chat-model", 8080, False),
        ("gateway", "operator", 8081, False),
        ("test", "gateway", 8081, False),
        ("worker", "gateway", 8081, False),
        ("chat-model", "nats", 4222, False),
        ("test", "operator", 8081, False),
        ("nats", "gateway", 8080, False),
        ("operator", "gateway", 8080, False),
    ],
)
def test_chart_network_policies_allow_exactly_the_needed_connections(
    rendered: Mapping[str, Any], origin: str, target: str, port: int, reached: bool
) -> None:
    policies = of_kind(rendered["everything"], "NetworkPolicy")
    made = {**dict(pods(rendered["everything"])), "worker": WORKER}

    def meant(peer: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
        # The blocks are of the whole network but for metadata services, which no pod is.
        # A peer that names namespaces alone is of one that is not ours.
        return "ipBlock" in peer or ("podSelector" in peer and selects(peer["podSelector"], other))

    def allowed(direction: str, peers: str, own: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
        # The first one: a worker's policy is in each namespace.
        policy = next((one["spec"] for one in policies if selects(one["spec"]["podSelector"], own)), None)
        return policy is None or any(
            any(one["port"] == port for one in rule.get("ports", [{"port": port}]))
            and any(meant(peer, other) for peer in rule.get(peers, [{"podSelector": {}}]))
            for rule in policy[direction]
        )

    left = allowed("egress", "to", made[origin], made[target])
    entered = allowed("ingress", "from", made[target], made[origin])
    assert (left and entered) is reached


def test_chart_network_policy_admits_the_configured_metrics_readers(rendered: Mapping[str, Any]) -> None:
    scraper = EVERYTHING["networkPolicy"]["metricsFrom"]
    for variant, expected in {"everything": [scraper], "default": []}.items():
        for policy in of_kind(rendered[variant], "NetworkPolicy"):
            rules = [rule for rule in policy["spec"]["ingress"] if rule["ports"][0]["port"] == 8081]
            if policy["metadata"]["name"].endswith(("-gateway", "-operator", "-workers")):
                assert [rule["from"] for rule in rules] == expected
            else:
                assert rules == []


def test_chart_network_policies_are_absent_when_disabled(rendered: Mapping[str, Any]) -> None:
    assert of_kind(rendered["smallest"], "NetworkPolicy") == []
