"""A plan has each route's readiness, its reason, and the inputs of its worker."""

import msgspec

from penstock_contract.route.spec import ModelRoute
from penstock_local.models.bundled import BundledModel, ModelState
from penstock_local.routes.plan import PlannedRoute, plan
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
    *routes: LoadedRoute, environ: dict[str, str] | None = None, models: dict[BundledModel, ModelState] | None = None
) -> list[PlannedRoute]:
    return plan(routes, environ or {}, models or {}, started_at=NOW)


def test_plan_reason_names_the_variable_of_a_missing_key() -> None:
    (route,) = _plan(_route("a", OPENAI))
    assert (route.entry.ready, route.entry.reason, route.servable) == (False, "set OPENAI_API_KEY", False)


def test_plan_reason_names_each_variable_of_a_missing_header_secret() -> None:
    ref = {"secretKeyRef": {"name": "access", "key": "client-secret"}}
    provider = {**OPENAI, "headers": [{"name": "cf-access-client-secret", "valueFrom": ref}]}

    (missing,) = _plan(_route("a", provider))
    assert missing.entry.reason == "set OPENAI_API_KEY and ACCESS_CLIENT_SECRET"
    (there,) = _plan(_route("a", provider), environ={"OPENAI_API_KEY": "k", "ACCESS_CLIENT_SECRET": "s"})
    assert there.entry.ready
    assert there.variables == ("OPENAI_API_KEY", "ACCESS_CLIENT_SECRET")


def test_plan_treats_an_empty_key_as_missing() -> None:
    assert not _plan(_route("a", OPENAI), environ={"OPENAI_API_KEY": ""})[0].entry.ready


def test_plan_gives_a_worker_the_variables_of_its_own_route_only() -> None:
    environ = {"OPENAI_API_KEY": "k", "OTHER_API_KEY": "o"}
    keyed, free = _plan(_route("a", OPENAI), _route("b", SIMULATED), environ=environ)
    assert keyed.entry.ready
    assert (keyed.variables, free.variables) == (("OPENAI_API_KEY",), ())


def test_plan_leaves_a_route_to_its_other_providers_and_reports_the_missing_key() -> None:
    (route,) = _plan(_route("a", OPENAI, SIMULATED))
    assert route.entry.ready
    assert route.notes == ("without openai: set OPENAI_API_KEY",)


def test_plan_does_not_serve_a_route_with_a_provider_of_weight_0_alone() -> None:
    (route,) = _plan(_route("a", OPENAI, {**SIMULATED, "weight": 0}))
    assert not route.entry.ready


def test_plan_points_a_route_at_its_model_once_it_is_served() -> None:
    route = _route("a", LOCAL)
    (loading,) = _plan(route, models={"chat": ModelState()})
    assert (loading.entry.ready, loading.servable) == (False, True)
    assert loading.entry.reason == "SmolLM2-135M is loading"

    (loaded,) = _plan(route, models={"chat": ModelState(address="http://127.0.0.1:40123")})
    assert loaded.entry.ready
    assert loaded.entry.spec.providers[0].base_url == "http://127.0.0.1:40123/v1"
    assert loaded.spec.providers[0].base_url == LOCAL["baseURL"]


def test_plan_gives_an_unservable_model_as_the_routes_reason() -> None:
    (route,) = _plan(_route("a", LOCAL), models={"chat": ModelState(failure="xllamacpp is not installed")})
    assert route.entry.reason == "xllamacpp is not installed"


def test_plan_requests_referenced_models_only() -> None:
    assert [route.models for route in _plan(_route("a", LOCAL), _route("b", SIMULATED))] == [("chat",), ()]


def test_plan_leaves_a_model_name_in_conflict_to_the_first_route() -> None:
    claimed: list[dict[str, object]] = [{"name": "gpt", "aliases": ["fast"]}]
    first, second = _plan(_route("a", SIMULATED, models=[{"name": "fast"}]), _route("b", SIMULATED, models=claimed))
    assert first.entry.ready
    assert (second.entry.ready, second.servable) == (False, False)
    assert second.entry.reason == "the model fast belongs to the route default/a"


def test_plan_gives_the_catalogue_the_order_of_files_as_age() -> None:
    routes = _plan(_route("z", SIMULATED), _route("a", SIMULATED))
    assert [route.entry.created_at for route in routes] == [NOW - 2, NOW - 1]
