"""ModelRoutes that keep each rule that crosses fields; `route_violations` has those that break exactly one.

Both validators use the table: `penstock dev` (tests/unit/contract/test_route_validation.py) and the API server
(tests/cluster/test_crd_rules.py). All examples are within the bounds of the types.
"""

from typing import Any

Spec = dict[str, Any]

MODEL = {"name": "m"}
PROVIDER = {"name": "p", "type": "OpenAI"}
REF = {"name": "n", "key": "k"}
FROM_SECRET = {"name": "FROM", "valueFrom": {"secretKeyRef": REF}}
SIMULATED = {"name": "p", "type": "Simulated", "simulated": {}}


def spec(
    models: list[dict[str, Any]] | None = None, providers: list[dict[str, Any]] | None = None, **more: Any
) -> Spec:
    return {"models": models or [MODEL], "providers": providers or [PROVIDER], **more}


def route(spec: Spec, name: str = "main") -> dict[str, Any]:
    return {"apiVersion": "penstock.dev/v1alpha1", "kind": "ModelRoute", "metadata": {"name": name}, "spec": spec}


def at(url: str, **more: Any) -> Spec:
    return spec(providers=[{**PROVIDER, "baseURL": url, **more}])


LONGEST_NAME = 256
FULL_MODELS = [
    {
        "name": f"{model}".rjust(LONGEST_NAME, "x"),
        "aliases": [f"{model}/{alias}".rjust(LONGEST_NAME, "x") for alias in range(8)],
    }
    for model in range(64)
]
FULL_PROVIDERS = [
    {
        **PROVIDER,
        "name": f"{number}".rjust(40, "p"),
        "baseURL": f"https://{'.'.join(['a' * 63] * 9)}/".ljust(2048, "x"),
    }
    for number in range(16)
]

KEPT: dict[str, Spec] = {
    "the smallest": spec(),
    "two providers": spec(providers=[PROVIDER, {**PROVIDER, "name": "q"}]),
    "two models with aliases": spec([{"name": "m", "aliases": ["a"]}, {"name": "n", "aliases": ["b"]}]),
    "a wildcard beside a name": spec([MODEL, {"name": "*"}]),
    "as many and as long names and addresses as the bounds allow": spec(FULL_MODELS, FULL_PROVIDERS),
    "a provider of weight 0 beside one that has some": spec(
        providers=[PROVIDER, {**PROVIDER, "name": "q", "weight": 0}]
    ),
    "a simulated provider": spec(providers=[SIMULATED]),
    "a provider without TLS that is allowed to": at("http://vllm.models.svc:8000/v1", allowHTTP=True),
    "Azure by its v1 API": at("https://r.openai.azure.com/openai/v1", type="AzureOpenAI"),
    "Azure by a dated API": at(
        "https://r.openai.azure.com/openai", type="AzureOpenAI", apiVersion="2025-04-01-preview"
    ),
    "Workers AI": at("https://api.cloudflare.com/client/v4/accounts/a/ai", type="CloudflareWorkersAI"),
    "constant headers, query parameters and fields": spec(
        providers=[
            {
                **PROVIDER,
                "secretKeyRef": {"name": "n", "key": "k"},
                "headers": [
                    {"name": "http-referer", "value": "https://example.com/a?b=c"},
                    {"name": "x-title", "value": "A title with blanks"},
                    {"name": "cf-access-client-secret", "valueFrom": {"secretKeyRef": {"name": "n", "key": "s"}}},
                    {"name": "cf-aig-cache-key", "value": "no credential"},
                    {"name": "anthropic-beta", "value": "a,b"},
                ],
                "query": [
                    {"name": "api-version", "value": "2025-04-01"},
                    {"name": "key", "valueFrom": {"secretKeyRef": {"name": "n", "key": "q"}}},
                ],
                "set": [
                    {"name": "provider", "value": '{"zdr": true}'},
                    {"name": "store", "value": "false"},
                    {"name": "prompt_cache_key", "value": '"a"'},
                ],
            }
        ]
    ),
    "as many and as long headers, query parameters and fields as the bounds allow": spec(
        providers=[
            {
                **PROVIDER,
                "name": f"p{number}",
                "headers": [{"name": f"{index}".rjust(64, "x"), "value": "v" * 1024} for index in range(16)],
                "query": [{"name": f"{index}".rjust(64, "x"), "value": "v" * 1024} for index in range(16)],
                "set": [{"name": f"{index}".rjust(64, "x"), "value": f'"{"v" * 1000}"'} for index in range(32)],
            }
            for number in range(16)
        ]
    ),
    "a credential in the header of a key where there is no key": spec(
        providers=[{**PROVIDER, "headers": [{"name": "authorization", "valueFrom": {"secretKeyRef": REF}}]}]
    ),
    "a first token as late as the end": spec(limits={"firstTokenTimeoutSeconds": 9, "requestTimeoutSeconds": 9}),
    "detached streams that are kept": spec(streams={"onDisconnect": "Detach", "keepSeconds": 1}),
    "a grace time without storage": spec(streams={"onDisconnect": "Grace", "graceSeconds": 0.5}),
    "as many workers at least as at most": spec(scaling={"minReplicas": 3, "maxReplicas": 3}),
    "a fallback to all workers": spec(scaling={"maxReplicas": 3, "fallback": {"behavior": "Static", "replicas": 3}}),
    "a panic window one second shorter": spec(scaling={"panicWindowSeconds": 9, "stableWindowSeconds": 10}),
    "a grace period as long as a request": spec(
        limits={"requestTimeoutSeconds": 700}, worker={"terminationGracePeriodSeconds": 700}
    ),
    "more workers by hand than scaling by itself would start": spec(scaling={"mode": "Manual", "replicas": 20}),
    "everything of a worker's pods": spec(
        worker={
            "image": "registry.example/worker:1",
            "imagePullPolicy": "Always",
            "imagePullSecrets": [{"name": "registry"}],
            "resources": {"requests": {"cpu": "100m", "memory": "1Gi"}, "limits": {"cpu": 2, "example.com/gpu": 1}},
            "env": [{"name": "HTTPS_PROXY", "value": "https://proxy.example"}, {"name": "EMPTY"}, FROM_SECRET],
            "envFrom": [{"prefix": "A_", "secretRef": {"name": "all", "optional": True}}],
            "volumes": [
                {"name": "ca", "configMap": {"name": "company-ca", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {"name": "scratch", "emptyDir": {"sizeLimit": "64Mi"}},
                {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"audience": "a", "path": "t"}}]}},
            ],
            "volumeMounts": [{"name": "ca", "mountPath": "/a"}, {"name": "ca", "mountPath": "/b", "readOnly": True}],
            "initContainers": [{"name": "first", "image": "a", "restartPolicy": "Always"}],
            "extraContainers": [{"name": "beside", "image": "a", "ports": [{"containerPort": 9000}]}],
            "runtimeClassName": "gvisor",
            "nodeSelector": {"disk": "ssd"},
            "tolerations": [{"key": "spot", "operator": "Exists", "effect": "NoSchedule"}],
            "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
            "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}],
            "priorityClassName": "high",
            "podLabels": {"team": "ai"},
            "podAnnotations": {"example.com/a": "b"},
        }
    ),
}
