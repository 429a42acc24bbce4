"""The models that a key may use: a forbidden one is as a missing one."""

from collections.abc import Callable, Iterable

import pytest
from unit.support.catalogues import BOTH, catalogue, route

from penstock_contract.errors import PenstockError


def may_use(*allowed: str) -> Callable[[str, Iterable[str]], bool]:
    """Permission for these models of any route, as `route/model`."""
    return lambda key, models: any(f"{key}/{model}" in allowed for model in models)


def test_catalogue_error_for_a_forbidden_model_equals_the_one_for_a_missing_model() -> None:
    allowed = may_use("default.exact/gpt")
    assert [name for name, _ in BOTH.models(allowed)] == ["gpt"]
    assert BOTH.resolve("gpt", "Chat", allowed).model == "gpt"
    messages = set()
    for name in ("claude", "opus", "minilm", "nobody"):
        with pytest.raises(PenstockError) as error:
            BOTH.resolve(name, "Chat", allowed)
        messages.add((error.value.code, error.value.detail.message.replace(name, "…")))
    assert len(messages) == 1


def test_catalogue_accepts_a_model_with_one_permitted_name() -> None:
    assert BOTH.resolve("opus", "Chat", may_use("default.exact/claude")).model == "claude"
    assert BOTH.resolve("opus", "Chat", may_use("default.exact/opus")).model == "claude"


def test_catalogue_resolves_a_forbidden_routes_name_by_the_wildcard() -> None:
    allowed = may_use("default.rest/claude", "default.rest/nobody")
    assert BOTH.resolve("claude", "Chat", allowed).entry.name == "rest"
    assert BOTH.resolve("nobody", "Chat", allowed).entry.name == "rest"


def test_catalogue_default_is_the_first_permitted_model() -> None:
    made = catalogue(route("first", "gpt"), route("second", "claude", created_at=1), Chat="gpt")
    assert made.resolve(None, "Chat").model == "gpt"
    assert made.resolve(None, "Chat", may_use("default.second/claude")).model == "claude"
    with pytest.raises(PenstockError) as error:
        made.resolve(None, "Chat", may_use())
    assert "gpt" not in error.value.detail.message


def test_catalogue_hides_a_forbidden_route_that_is_not_ready() -> None:
    made = catalogue(route("first", "gpt", ready=False, reason="secret"))
    with pytest.raises(PenstockError) as error:
        made.resolve("gpt", "Chat", may_use())
    assert error.value.code == "model_not_found"


def test_catalogue_hides_a_forbidden_route_behind_its_namespace_too() -> None:
    made = catalogue(route("own", "gpt", namespace="team-a"))
    with pytest.raises(PenstockError) as error:
        made.resolve("team-a/gpt", "Chat", lambda _key, _names: False)
    assert error.value.code == "model_not_found"
    assert made.resolve("team-a/gpt", "Chat", lambda key, names: key == "team-a.own" and "gpt" in names).model == "gpt"
