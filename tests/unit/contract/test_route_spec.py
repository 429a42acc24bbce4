"""The ModelRoute's bounds, each with a value inside and one outside."""

from typing import Any

import msgspec
import pytest

from penstock_contract.route.spec import ModelRoute, ModelRouteSpec
from penstock_contract.route.values import SecretKeyRef, secret_variable

SPEC: dict[str, Any] = {
    "models": [{"name": "gpt-4o"}],
    "providers": [{"name": "openai", "type": "OpenAI"}],
}


def provider(**fields: Any) -> dict[str, Any]:
    return {**SPEC, "providers": [{**SPEC["providers"][0], **fields}]}


def model(**fields: Any) -> dict[str, Any]:
    return {**SPEC, "models": [{**SPEC["models"][0], **fields}]}


def limits(**fields: Any) -> dict[str, Any]:
    return {**SPEC, "limits": fields}


def scaling(**fields: Any) -> dict[str, Any]:
    return {**SPEC, "scaling": fields}


def worker(**fields: Any) -> dict[str, Any]:
    return {**SPEC, "worker": fields}


def simulated(**fields: Any) -> dict[str, Any]:
    return provider(type="Simulated", simulated=fields)


NAME = "x" * 256

ACCEPTED = {
    "the smallest spec": SPEC,
    "the longest model name": model(name=NAME),
    "a wildcard": model(name="*"),
    "a name with slashes": model(name="meta/llama-3.1"),
    "8 aliases": model(aliases=[f"a{n}" for n in range(8)]),
    "an embedding model": model(type="Embedding"),
    "the shortest provider name": provider(name="a"),
    "the longest provider name": provider(name="a" * 40),
    "http by name": provider(baseURL="http://llama"),
    "https with port and path": provider(baseURL="https://api.example.com:8443/openai/v1"),
    "an address": provider(baseURL="http://10.0.0.7:8000/v1"),
    "an IPv6 address": provider(baseURL="http://[2001:db8::1]:8000/v1"),
    "a service of the cluster": provider(baseURL="http://llama.models.svc.cluster.local:80"),
    "a compose service's underscore": provider(baseURL="http://my_model:8000/v1"),
    "the highest port": provider(baseURL="http://llama:65535"),
    "weight 0": provider(weight=0),
    "weight 1000": provider(weight=1000),
    "priority 100": provider(priority=100),
    "one call in flight": provider(maxInFlight=1),
    "a secret": provider(secretKeyRef={"name": "openai", "key": "api-key"}),
    "the longest header": provider(headers=[{"name": "!#$%&'*+.^_`|~-a".ljust(64, "x"), "value": "~" * 1024}]),
    "a header from a secret": provider(
        headers=[{"name": "a", "valueFrom": {"secretKeyRef": {"name": "n", "key": "k"}}}]
    ),
    "16 headers, query parameters, and 32 fields": provider(
        headers=[{"name": f"a{n}", "value": "v"} for n in range(16)],
        query=[{"name": f"a[{n}]", "value": "a b"} for n in range(16)],
        set=[{"name": f"a{n}", "value": "1"} for n in range(32)],
    ),
    "the longest field": provider(set=[{"name": "x" * 64, "value": "1" * 8192}]),
    "no retries": {**SPEC, "routing": {"retries": 0}},
    "ten retries": {**SPEC, "routing": {"retries": 10}},
    "a day": limits(requestTimeoutSeconds=86_400),
    "a blink": limits(connectTimeoutSeconds=0.001),
    "a queue of one": limits(queueDepth=1),
    "one slot": scaling(concurrencyPerReplica=1),
    "scaling by hand to nothing": scaling(mode="Manual", replicas=0),
    "1000 workers": scaling(replicas=1000, minReplicas=1000, maxReplicas=1000),
    "scaling at its most cautious": scaling(
        targetUtilizationPercent=10, stableWindowSeconds=3600, panicWindowSeconds=600, panicThresholdPercent=1000
    ),
    "scaling at its most eager": scaling(
        targetUtilizationPercent=100,
        stableWindowSeconds=2,
        panicWindowSeconds=1,
        panicThresholdPercent=110,
        scaleToZeroAfterSeconds=0,
    ),
    "nothing scaled": scaling(paused="All"),
    "a fallback to nothing": scaling(fallback={"afterSeconds": 1, "behavior": "Static", "replicas": 0}),
    "whole and written quantities": worker(resources={"requests": {"cpu": 1, "memory": "1.5Gi"}}),
    "every suffix of a quantity": worker(
        resources={"limits": {q: q for q in ("1", "+1.", ".5", "100m", "3n", "1k", "2Ki", "1e3", "12E", "1E-2")}}
    ),
    "a variable without a value": worker(env=[{"name": "_A1"}]),
    "an affinity": worker(affinity={"nodeAffinity": {}, "podAffinity": {}}),
    "the longest grace period": worker(terminationGracePeriodSeconds=90_000),
    "an error before the first token": simulated(errorAtToken=0),
    "a stall before the first token": simulated(stallAtToken=0),
}

REJECTED = {
    "no models": ({**SPEC, "models": []}, "$.models"),
    "too many models": ({**SPEC, "models": [{"name": str(n)} for n in range(65)]}, "$.models"),
    "no providers": ({**SPEC, "providers": []}, "$.providers"),
    "too many providers": ({**SPEC, "providers": SPEC["providers"] * 17}, "$.providers"),
    "an unknown field": ({**SPEC, "replicas": 3}, "replicas"),
    "a misspelt field": (provider(baseUrl="http://llama"), "baseUrl"),
    "an empty model name": (model(name=""), "$.models[0].name"),
    "a model name too long": (model(name=NAME + "x"), "$.models[0].name"),
    "too many aliases": (model(aliases=["a"] * 9), "$.models[0].aliases"),
    "an unknown model type": (model(type="Image"), "$.models[0].type"),
    "a provider name in upper case": (provider(name="OpenAI"), "$.providers[0].name"),
    "a provider name too long": (provider(name="a" * 41), "$.providers[0].name"),
    "an unknown provider type": (provider(type="Gemini"), "$.providers[0].type"),
    "a file": (provider(baseURL="file:///etc/passwd"), "$.providers[0].baseURL"),
    "credentials in the URL": (provider(baseURL="https://user:key@llama/v1"), "$.providers[0].baseURL"),
    "a query in the URL": (provider(baseURL="https://llama/v1?key=x"), "$.providers[0].baseURL"),
    "a line end in the URL": (provider(baseURL="https://llama/v1\r\nx: y"), "$.providers[0].baseURL"),
    "a space in the URL": (provider(baseURL="https://lla ma"), "$.providers[0].baseURL"),
    "a URL without a host": (provider(baseURL="https:///v1"), "$.providers[0].baseURL"),
    "a port and no host": (provider(baseURL="http://:8000"), "$.providers[0].baseURL"),
    "a port that is a word": (provider(baseURL="http://llama:http"), "$.providers[0].baseURL"),
    "a port too high": (provider(baseURL="http://llama:65536"), "$.providers[0].baseURL"),
    "an open bracket": (provider(baseURL="http://[llama"), "$.providers[0].baseURL"),
    "brackets around an IPv4 address": (provider(baseURL="http://[127.0.0.1]/v1"), "$.providers[0].baseURL"),
    "brackets around a name": (provider(baseURL="http://[llama]/v1"), "$.providers[0].baseURL"),
    "an empty label": (provider(baseURL="http://a..b/v1"), "$.providers[0].baseURL"),
    "a label too long": (provider(baseURL=f"http://{'a' * 64}/v1"), "$.providers[0].baseURL"),
    "a host outside ASCII": (provider(baseURL="http://münchen/v1"), "$.providers[0].baseURL"),
    "a negative weight": (provider(weight=-1), "$.providers[0].weight"),
    "a weight too high": (provider(weight=1001), "$.providers[0].weight"),
    "a priority too high": (provider(priority=101), "$.providers[0].priority"),
    "no calls in flight": (provider(maxInFlight=0), "$.providers[0].maxInFlight"),
    "a secret without a key": (provider(secretKeyRef={"name": "openai"}), "key"),
    **{
        f"a header called {name!r}": (
            provider(headers=[{"name": name, "value": "v"}]),
            "$.providers[0].headers[0].name",
        )
        for name in ("", "X-Title", "a b", "a:b", "a\r\nb", "\u00e4", "a" * 65, "a(b)", "a\n")
    },
    **{
        f"a header with the value {value[:8]!r}": (
            provider(headers=[{"name": "a", "value": value}]),
            "$.providers[0].headers[0].value",
        )
        for value in ("", " a", "a ", "a\r\nb: c", "a\nb", "a\tb", "\u00e4", "a\x00", "a\x7f", "v" * 1025, "a\n")
    },
    "a query parameter with a line end": (
        provider(query=[{"name": "a", "value": "a\r\nb"}]),
        "$.providers[0].query[0].value",
    ),
    "a query parameter's name with a sign": (
        provider(query=[{"name": "a=b&c", "value": "v"}]),
        "$.providers[0].query[0].name",
    ),
    "17 headers": (provider(headers=[{"name": f"a{n}", "value": "v"} for n in range(17)]), "$.providers[0].headers"),
    "17 query parameters": (
        provider(query=[{"name": f"a{n}", "value": "v"} for n in range(17)]),
        "$.providers[0].query",
    ),
    "33 fields": (provider(set=[{"name": f"a{n}", "value": "1"} for n in range(33)]), "$.providers[0].set"),
    "a field that is no text": (provider(set=[{"name": "a", "value": 1}]), "$.providers[0].set[0].value"),
    "a field too long": (provider(set=[{"name": "a", "value": "1" * 8193}]), "$.providers[0].set[0].value"),
    "too many retries": ({**SPEC, "routing": {"retries": 11}}, "$.routing.retries"),
    "no time at all": (limits(requestTimeoutSeconds=0), "$.limits.requestTimeoutSeconds"),
    "more than a day": (limits(idleTimeoutSeconds=86_401), "$.limits.idleTimeoutSeconds"),
    "not a number": (limits(idleTimeoutSeconds=float("nan")), "$.limits.idleTimeoutSeconds"),
    "a queue of none": (limits(queueDepth=0), "$.limits.queueDepth"),
    "no slots": (scaling(concurrencyPerReplica=0), "$.scaling.concurrencyPerReplica"),
    "fewer workers than none": (scaling(replicas=-1), "$.scaling.replicas"),
    "1001 workers": (scaling(replicas=1001), "$.scaling.replicas"),
    "at most no workers": (scaling(maxReplicas=0), "$.scaling.maxReplicas"),
    "slots that are never used": (scaling(targetUtilizationPercent=9), "$.scaling.targetUtilizationPercent"),
    "slots that are used twice": (scaling(targetUtilizationPercent=101), "$.scaling.targetUtilizationPercent"),
    "half a second": (scaling(stableWindowSeconds=2.5), "$.scaling.stableWindowSeconds"),
    "a panic at rest": (scaling(panicThresholdPercent=100), "$.scaling.panicThresholdPercent"),
    "a pause that is a truth": (scaling(paused=True), "$.scaling.paused"),
    "a fallback at once": (scaling(fallback={"afterSeconds": 0}), "$.scaling.fallback.afterSeconds"),
    "an unknown fallback": (scaling(fallback={"behavior": "Zero"}), "$.scaling.fallback.behavior"),
    "half a CPU as a number": (worker(resources={"requests": {"cpu": 0.5}}), "$.worker.resources.requests[...]"),
    "a quantity in words": (worker(resources={"requests": {"cpu": "two"}}), "$.worker.resources.requests[...]"),
    "a claim on resources": (worker(resources={"claims": []}), "claims"),
    "a variable with a dash": (worker(env=[{"name": "A-B"}]), "$.worker.env[0].name"),
    "a variable from a file": (worker(env=[{"name": "A", "valueFrom": {"fileKeyRef": {}}}]), "fileKeyRef"),
    "a file of the node": (worker(volumes=[{"name": "a", "hostPath": {"path": "/"}}]), "hostPath"),
    "a privileged container": (
        worker(extraContainers=[{"name": "a", "image": "a", "securityContext": {}}]),
        "security",
    ),
    "a relative mount": (worker(volumeMounts=[{"name": "a", "mountPath": "a"}]), "$.worker.volumeMounts[0].mountPath"),
    "an image of nothing": (worker(image=""), "$.worker.image"),
    "an unknown pull policy": (worker(imagePullPolicy="Sometimes"), "$.worker.imagePullPolicy"),
    "a label that is a number": (worker(podLabels={"a": 1}), "$.worker.podLabels[...]"),
    "no time to finish": (worker(terminationGracePeriodSeconds=0), "$.worker.terminationGracePeriodSeconds"),
    "no tokens": (simulated(tokens=0), "$.providers[0].simulated.tokens"),
    "no pace": (simulated(tokensPerSecond=0), "$.providers[0].simulated.tokensPerSecond"),
}


@pytest.mark.parametrize("document", ACCEPTED.values(), ids=ACCEPTED)
def test_route_spec_within_its_bounds_is_accepted(document: dict[str, Any]) -> None:
    msgspec.convert(document, ModelRouteSpec)


@pytest.mark.parametrize(("document", "place"), REJECTED.values(), ids=REJECTED)
def test_route_spec_out_of_bounds_is_rejected_by_place(document: dict[str, Any], place: str) -> None:
    with pytest.raises(msgspec.ValidationError) as error:
        msgspec.convert(document, ModelRouteSpec)

    assert place in str(error.value)


def test_route_spec_is_encoded_as_it_is_decoded() -> None:
    spec = msgspec.convert(ACCEPTED["a secret"], ModelRouteSpec)

    assert msgspec.to_builtins(spec) == ACCEPTED["a secret"]


def test_route_spec_ignores_metadata_for_kubernetes() -> None:
    route = msgspec.convert(
        {
            "apiVersion": "penstock.dev/v1alpha1",
            "kind": "ModelRoute",
            "metadata": {"name": "main", "labels": {"a": "b"}, "uid": "1"},
            "spec": SPEC,
            "status": {},
        },
        ModelRoute,
    )

    assert (route.metadata.name, route.metadata.namespace) == ("main", "default")


@pytest.mark.parametrize(
    ("name", "key", "variable"),
    [
        ("openai", "api-key", "OPENAI_API_KEY"),
        ("openai", "key", "OPENAI_KEY"),
        ("team-a.openai", "api.key", "TEAM_A_OPENAI_API_KEY"),
        ("a", "b--c", "A_B_C"),
    ],
)
def test_route_spec_secret_variable_has_the_secrets_name_and_key(name: str, key: str, variable: str) -> None:
    assert secret_variable(SecretKeyRef(name=name, key=key)) == variable
