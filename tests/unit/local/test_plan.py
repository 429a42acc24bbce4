"""A plan says of each route whether it serves, why not, and what its worker needs."""

import msgspec

from penstock_contract.route.spec import ModelRoute
from penstock_local.models.bundled import Bundled, ModelState
from penstock_local.routes.plan import PlannedRoute, default_models, plan
from penstock_local.routes.route_files import LoadedRoute

NOW = 1_700_000_000
OPENAI = {"name": "openai", "type": "OpenAI", "secretKeyRef": {"name": "openai", "key": "api-key"}}
LOCAL = {"name": "local", "type": "OpenAI", "baseURL": "http://penstock-chat-model:8080/v1"}
SIMULATED = {"name": "simulated", "type": "Simulated", "simulated": {}}


def _route(name: str, *providers: dict[str, object], models: list[dict[str, object]] | None = None) -> LoadedRoute:
    spec = {"models": models or [{"name": f"{name}-model"}], "providers": providers}
    document = {"apiVersion": "penstock.dev/v1alpha1", "kind": "ModelRoute", "metadata": {"name": name}, "spec": spec}
    return LoadedRoute(name, msgspec.convert(document, ModelRoute))


def _plan(
    *routes: LoadedRoute, environ: dict[str, str] | None = None, models: dict[Bundled, ModelState] | None = None
) -> list[PlannedRoute]:
    return plan(routes, environ or {}, models or {}, started_at=NOW)


def test_a_missing_key_is_a_reason_that_names_its_variable() -> None:
    (route,) = _plan(_route("a", OPENAI))
    assert (route.entry.ready, route.entry.reason, route.servable) == (False, "set OPENAI_API_KEY", False)


def test_a_missing_secret_of_a_header_is_a_reason_that_names_each_variable() -> None:
    ref = {"secretKeyRef": {"name": "access", "key": "client-secret"}}
    provider = {**OPENAI, "headers": [{"name": "cf-access-client-secret", "valueFrom": ref}]}

    (missing,) = _plan(_route("a", provider))
    assert missing.entry.reason == "set OPENAI_API_KEY and ACCESS_CLIENT_SECRET"
    (there,) = _plan(_route("a", provider), environ={"OPENAI_API_KEY": "k", "ACCESS_CLIENT_SECRET": "s"})
    assert there.entry.ready
    assert there.variables == ("OPENAI_API_KEY", "ACCESS_CLIENT_SECRET")


def test_an_empty_key_is_a_missing_key() -> None:
    assert not _plan(_route("a", OPENAI), environ={"OPENAI_API_KEY": ""})[0].entry.ready


def test_a_worker_gets_the_variables_of_its_own_route_only() -> None:
    environ = {"OPENAI_API_KEY": "k", "OTHER_API_KEY": "o"}
    keyed, free = _plan(_route("a", OPENAI), _route("b", SIMULATED), environ=environ)
    assert keyed.entry.ready
    assert (keyed.variables, free.variables) == (("OPENAI_API_KEY",), ())


def test_one_provider_without_its_key_leaves_the_route_to_the_others_and_says_so() -> None:
    (route,) = _plan(_route("a", OPENAI, SIMULATED))
    assert route.entry.ready
    assert route.notes == ("without openai: set OPENAI_API_KEY",)


def test_a_provider_of_weight_0_cannot_keep_a_route_alive() -> None:
    (route,) = _plan(_route("a", OPENAI, {**SIMULATED, "weight": 0}))
    assert not route.entry.ready


def test_a_route_waits_for_its_model_and_then_points_at_it() -> None:
    route = _route("a", LOCAL)
    (loading,) = _plan(route, models={"chat": ModelState()})
    assert (loading.entry.ready, loading.servable) == (False, True)
    assert loading.entry.reason == "SmolLM2-135M is loading"

    (loaded,) = _plan(route, models={"chat": ModelState(address="http://127.0.0.1:40123")})
    assert loaded.entry.ready
    assert loaded.entry.spec.providers[0].base_url == "http://127.0.0.1:40123/v1"
    assert loaded.spec.providers[0].base_url == LOCAL["baseURL"]


def test_a_model_that_cannot_be_served_is_the_routes_reason() -> None:
    (route,) = _plan(_route("a", LOCAL), models={"chat": ModelState(failure="xllamacpp is not installed")})
    assert route.entry.reason == "xllamacpp is not installed"


def test_only_referred_models_are_asked_for() -> None:
    assert [route.models for route in _plan(_route("a", LOCAL), _route("b", SIMULATED))] == [("chat",), ()]


def test_the_first_route_keeps_a_model_name_that_two_claim() -> None:
    claimed: list[dict[str, object]] = [{"name": "gpt", "aliases": ["fast"]}]
    first, second = _plan(_route("a", SIMULATED, models=[{"name": "fast"}]), _route("b", SIMULATED, models=claimed))
    assert first.entry.ready
    assert (second.entry.ready, second.servable) == (False, False)
    assert second.entry.reason == "the model fast belongs to the route default/a"


def test_the_catalogue_sees_the_files_order_as_age() -> None:
    routes = _plan(_route("z", SIMULATED), _route("a", SIMULATED))
    assert [route.entry.created_at for route in routes] == [NOW - 2, NOW - 1]


def test_defaults_are_the_first_served_models_of_each_type() -> None:
    embedding: list[dict[str, object]] = [{"name": "*"}, {"name": "e", "type": "Embedding"}]
    planned = _plan(
        _route("keyless", OPENAI),
        _route("a", SIMULATED),
        _route("b", SIMULATED),
        _route("c", SIMULATED, models=embedding),
    )
    assert default_models(planned) == {"Chat": "a-model", "Embedding": "e"}
