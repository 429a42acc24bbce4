"""ModelRoute files are read as kubectl reads them, and an error names file, document and field."""

from pathlib import Path

import pytest

from penstock_contract.route.validation import NAME
from penstock_local.routes.route_files import InvalidRoutes, LoadedRoute, RouteFile, load, read

USE_SECRET = "a key is not written here but referred to, as in secretKeyRef: {name: openai, key: api-key}"
EXAMPLES = Path(__file__).parents[3] / "examples" / "routes"
ROUTE = """
apiVersion: penstock.dev/v1alpha1
kind: ModelRoute
metadata: {name: NAME}
spec:
  models: [{name: m}]
  providers: [{name: p, type: OpenAI}]
"""


def _load(*texts: str) -> list[LoadedRoute]:
    return load([RouteFile(f"file-{number}.yaml", text) for number, text in enumerate(texts, 1)])


def _message(*texts: str) -> str:
    with pytest.raises(InvalidRoutes) as caught:
        _load(*texts)
    return str(caught.value)


def test_route_files_keep_the_order_of_files_and_documents() -> None:
    first = ROUTE.replace("NAME", "a") + "---" + ROUTE.replace("NAME", "b")
    routes = _load(first, ROUTE.replace("NAME", "c"))
    assert [(route.key, route.source) for route in routes] == [
        ("default/a", "file-1.yaml, document 1"),
        ("default/b", "file-1.yaml, document 2"),
        ("default/c", "file-2.yaml, document 1"),
    ]


def test_route_files_default_to_the_bundled_models() -> None:
    assert [route.key for route in load(read([]))] == ["default/smollm2", "default/minilm"]


def test_route_files_accept_a_route_read_back_from_a_cluster() -> None:
    text = ROUTE.replace("{name: NAME}", "{name: a, namespace: ai, uid: 1-2, resourceVersion: '7'}") + "status: {x: 1}"
    assert _load(text)[0].key == "ai/a"


def test_route_files_skip_empty_documents_and_other_resources() -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: openai}\n"
    assert [route.key for route in _load(f"---\n{secret}---{ROUTE.replace('NAME', 'a')}---\n")] == ["default/a"]


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_route_files_accept_every_example(path: Path) -> None:
    assert load(read([str(path)]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("type: OpenAI", "type: OpenAi"),
            "providers[0].type: 'OpenAi' is not one of OpenAI, Anthropic, AzureOpenAI, CloudflareWorkersAI, Simulated",
        ),
        (("type: OpenAI", "type: OpenAI, waight: 3"), "providers[0]: unknown field waight, did you mean weight?"),
        (("type: OpenAI", "type: OpenAI, base_url: x"), "providers[0]: unknown field base_url, did you mean baseURL?"),
        (("type: OpenAI", "type: OpenAI, apiKey: sk-1"), f"providers[0]: unknown field apiKey: {USE_SECRET}"),
        (("type: OpenAI", "type: OpenAI, api_key: sk-1"), f"providers[0]: unknown field api_key: {USE_SECRET}"),
        (("{name: m}", "{name: m, zzz: 1}"), "models[0]: unknown field zzz, known are name, aliases, type"),
        (
            ("type: OpenAI", "type: OpenAI, baseURL: host:80"),
            "providers[0].baseURL: must be like http://host:port/v1 or",
        ),
        (("{name: NAME}", "{name: Upper}"), NAME.message),
        (("{name: NAME}", f"{{name: {'r' * 41}}}"), NAME.message),
        (("{name: NAME}", "{name: a.b}"), NAME.message),
        (("{name: NAME}", "{name: 7}"), NAME.message),
        (
            ("{name: NAME}", f"{{name: a, namespace: {'n' * 64}}}"),
            "metadata.namespace: must be lower-case letters, digits and hyphens, at most 63",
        ),
        (("{name: p,", "{name: P,"), "providers[0].name: must be lower-case letters, digits and hyphens"),
        (("kind: ModelRoute", "kind: ModelRout"), "expected kind ModelRoute, got 'ModelRout'"),
        (("v1alpha1", "v1"), "expected apiVersion penstock.dev/v1alpha1, got 'penstock.dev/v1'"),
        (("kind: ModelRoute\n", ""), "the field kind is missing"),
        (("type: OpenAI", "weight: 2"), "providers[0]: the field type is missing"),
        (("type: OpenAI", "type: OpenAI, secretKeyRef: {name: a, kee: b}"), "providers[0].secretKeyRef: unknown field"),
        (("{name: m}", "{name: m}, {name: m}"), "models: a name or alias may occur only once"),
        (("type: OpenAI", "type: OpenAI, baseURL: 'http://llama:80'"), "providers: baseURL must begin with https, or"),
        (
            ("spec:", "spec:\n  scaling: {mode: Automatic}"),
            "scaling.mode: 'Automatic' is not one of Auto, Manual",
        ),
        (
            ("spec:", "spec:\n  scaling: {fallback: {behavior: Zero}}"),
            "scaling.fallback.behavior: 'Zero' is not one of Hold, Static, HoldIfHigher",
        ),
        (
            ("spec:", "spec:\n  scaling: {maxReplica: 3}"),
            "scaling: unknown field maxReplica, did you mean maxReplicas?",
        ),
        (
            ("spec:", "spec:\n  worker: {imagePullPolicy: Sometimes}"),
            "worker.imagePullPolicy: 'Sometimes' is not one of Always, IfNotPresent, Never",
        ),
        (
            ("spec:", "spec:\n  worker: {resources: {requests: {cpu: 0.5}}}"),
            "worker.resources.requests[...]: must be a quantity of Kubernetes, like 2, 500m or 1Gi",
        ),
        (
            ("spec:", "spec:\n  worker: {env: [{name: A-B}]}"),
            "worker.env[0].name: must be letters, digits and _, at most 253, as in HTTPS_PROXY",
        ),
        (
            ("spec:", "spec:\n  worker: {tolerations: [7]}"),
            "worker.tolerations[0]: Expected object, got int",
        ),
        (
            ("type: OpenAI", "type: OpenAI, headers: [{name: X-Title, value: a}]"),
            "providers[0].headers[0].name: must be a header's name in lower case, at most 64 characters, as in http-",
        ),
        (
            ("type: OpenAI", 'type: OpenAI, headers: [{name: x-title, value: "a\\nb"}]'),
            "providers[0].headers[0].value: must be 1 to 1024 visible ASCII characters, without blanks around them",
        ),
        (
            ("type: OpenAI", "type: OpenAI, query: [{name: a=b, value: a}]"),
            "providers[0].query[0].name: must be letters, digits and . _ ~ $ [ ] -, at most 64",
        ),
        (
            ("type: OpenAI", "type: OpenAI, headers: [{name: x-api-key, value: sk-1}]"),
            "providers: a header or query parameter that carries a credential needs valueFrom, not value",
        ),
        (
            ("type: OpenAI", "type: OpenAI, set: [{name: tier, value: flex}]"),
            "providers: set.tier of the provider p is not JSON; a text is written as '\"flex\"'",
        ),
        (
            ("type: OpenAI", "type: OpenAI, set: [{name: store, value: false}]"),
            "providers[0].set[0].value: must be JSON text of at most 8192 characters in quotes, as in 'false'",
        ),
        (("{name: m}", "{name: m, aliases: 7}"), "models[0].aliases: Expected array, got int"),
    ],
)
def test_route_files_name_file_document_and_field_of_an_error(change: tuple[str, str], message: str) -> None:
    assert _message(f"---{ROUTE}".replace(*change).replace("NAME", "a")).startswith(
        f"file-1.yaml, document 1: {message}"
    )


def test_route_files_name_the_line_of_invalid_yaml() -> None:
    assert _message("a: b\nc: [d\n") == "file-1.yaml, line 3: not YAML: did not find expected ',' or ']'"


def test_route_files_reject_a_document_that_is_no_resource() -> None:
    assert _message("- a\n- b\n") == "file-1.yaml, document 1: Expected object, got array"


def test_route_files_reject_a_file_without_a_route() -> None:
    assert _message("# nothing\n") == "file-1.yaml: no ModelRoute in it"


def test_route_files_reject_two_routes_of_one_name_with_both_places() -> None:
    message = _message(ROUTE.replace("NAME", "a"), ROUTE.replace("NAME", "a"))
    assert message == "file-2.yaml, document 1: the route default/a is already in file-1.yaml, document 1"


def test_route_files_error_does_not_repeat_a_key_in_the_file() -> None:
    assert "sk-1" not in _message(ROUTE.replace("NAME", "a").replace("type: OpenAI", "type: OpenAI, apiKey: sk-1"))


def test_route_files_read_the_yaml_files_of_a_directory_by_name(tmp_path: Path) -> None:
    for name in ("b.yml", "a.yaml", "notes.txt"):
        (tmp_path / name).write_text(ROUTE.replace("NAME", name[0]))
    assert [route.key for route in load(read([str(tmp_path)]))] == ["default/a", "default/b"]


def test_route_files_name_a_directory_without_yaml_files(tmp_path: Path) -> None:
    with pytest.raises(InvalidRoutes, match=r": no \*\.yaml or \*\.yml in it"):
        read([str(tmp_path)])


def test_route_files_name_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidRoutes, match=r"missing\.yaml: No such file or directory"):
        read([str(tmp_path / "missing.yaml")])
