"""Route files that would cost memory, time or the interpreter are refused in one sentence."""

import msgspec
import pytest

from penstock_local.routes import yaml_documents
from penstock_local.routes.route_files import InvalidRoutes, RouteFile, load, read

ROUTE = """
apiVersion: penstock.dev/v1alpha1
kind: ModelRoute
metadata: {name: a}
spec:
  models: [{name: m}]
  providers: [{name: p, type: OpenAI, baseURL: "https://h/v1"}]
  worker: {affinity: AFFINITY}
"""


def _bomb(levels: int) -> str:
    first = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]"
    later = [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, levels)]
    return f"{{{', '.join([first, *later])}}}"


def _message(text: str) -> str:
    with pytest.raises(InvalidRoutes) as caught:
        load([RouteFile("f.yaml", text)])
    return str(caught.value)


@pytest.mark.parametrize(
    ("affinity", "message"),
    [
        (_bomb(6), "line 8: more than 20000 values, those that an alias repeats included"),
        (_bomb(40), "line 8: more than 20000 values, those that an alias repeats included"),
        ("&a {x: *a}", "line 8: the alias *a stands inside what it refers to"),
        ("&a [{x: [*a]}]", "line 8: the alias *a stands inside what it refers to"),
        ("[*b]", "line 8: the alias *b has no anchor before it"),
        ("{a: " + "[" * 200_000, "line 8: more than 64 levels of nesting"),
        ("{a: " + "[" * 5000 + "]" * 5000 + "}", "line 8: more than 64 levels of nesting"),
        ("{a: &b " + "[" * 40 + "]" * 40 + ", c: " + "[" * 30 + "*b" + "]" * 30 + "}", "line 8: more than 64 levels"),
        ("{a: " + "9" * 100_000 + "}", "line 8: a number of more than 4000 digits"),
        ("{a: -" + "9_" * 50_000 + "}", "line 8: a number of more than 4000 digits"),
        ("{a: !!int '1" + ":59" * 100_000 + "'}", "line 8: a number of more than 4000 digits"),
        ("{a: 18446744073709551616}", "document 1: an integer of more than 64 bits"),
        ("{a: .nan}", "document 1: the number nan is not finite"),
        ("{a: {1: 2}}", "document 1: the field name 1 is not text; put it in quotes"),
        ("{a: !!timestamp 7}", "not YAML: a value cannot be read (AttributeError)"),
        ("{a: !!int ''}", "not YAML: a value cannot be read (IndexError)"),
        ("!!set {a, b}", "document 1: a value of YAML's own type set, which JSON does not have"),
    ],
    ids=lambda value: value[:24],
)
def test_documents_reject_text_beyond_a_bound_with_its_line(affinity: str, message: str) -> None:
    assert message in _message(ROUTE.replace("AFFINITY", affinity))


def test_documents_stop_reading_a_file_at_the_bound() -> None:
    with pytest.raises(InvalidRoutes, match="more than 1048576 bytes"):
        read(["/dev/zero"])
    assert "more than 1048576 bytes" in _message("#" * (yaml_documents.BYTES_MAX + 1))


def test_documents_resolve_anchors_within_the_bounds_and_keep_a_date_as_text() -> None:
    terms = "[{labelSelector: &x {matchLabels: {b: 2026-11-28}}, topologyKey: k}, {labelSelector: *x, topologyKey: l}]"
    affinity = f"{{podAffinity: {{requiredDuringSchedulingIgnoredDuringExecution: {terms}}}}}"
    (route,) = load([RouteFile("f.yaml", ROUTE.replace("AFFINITY", affinity))])
    read = msgspec.to_builtins(route.route.spec.worker.affinity)
    first, second = read["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert first["labelSelector"] == second["labelSelector"] == {"matchLabels": {"b": "2026-11-28"}}


def test_documents_of_another_group_are_not_validated() -> None:
    other = "apiVersion: v1\nkind: ConfigMap\ndata: {1: .nan}\n---"
    assert len(load([RouteFile("f.yaml", other + ROUTE.replace("AFFINITY", "{}"))])) == 1


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{name: a}", '{name: "a\\n"}', "metadata.name: must be lower-case"),
        ("{name: a}", '{name: a, namespace: "a\\n"}', "metadata.namespace: must be lower-case"),
        ("name: p,", 'name: "p\\n",', "providers[0].name: must be lower-case"),
        ('h/v1"', 'h/v1\\n"', "providers[0].baseURL: must be like"),
        ("{affinity: AFFINITY}", '{env: [{name: "A\\n"}]}', "worker.env[0].name: must be letters"),
        ("{affinity: AFFINITY}", '{resources: {limits: {cpu: "1\\n"}}}', "must be a quantity"),
        ("type: OpenAI", 'type: OpenAI, prices: {inputPerMillion: "1\\n"}', "providers[0].prices.inputPerMillion"),
        ("{name: m}", '{name: "m\\e[31m"}', "models[0].name: must be 1 to 256 characters, and no control character"),
        ("{name: m}", '{name: m, aliases: ["m\\n"]}', "models[0].aliases[0]: must be 1 to 256 characters"),
        ("type: OpenAI", 'type: OpenAI, model: "m\\a"', "providers[0].model: must be 1 to 256 characters"),
        ("type: OpenAI", '"\\e[31m": 1', "providers[0]: unknown field \\x1b[31m"),
    ],
)
def test_documents_reject_line_ends_and_control_characters_and_print_them_escaped(
    old: str, new: str, message: str
) -> None:
    printed = _message(ROUTE.replace(old, new).replace("AFFINITY", "{}"))
    assert message in printed
    assert printed.isprintable()
