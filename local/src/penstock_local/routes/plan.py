"""Plans the routes on this machine: entries for the catalogue, and the inputs of each route's worker.

A pure function of the files, the environment and the models' states, worked out anew whenever one of them changes.
"""

from collections.abc import Mapping, Sequence

import msgspec

from penstock_contract.catalogue import CatalogueEntry
from penstock_contract.route.provider import ProviderSpec
from penstock_contract.route.spec import ModelRouteSpec
from penstock_contract.route.values import secret_variable
from penstock_local.models.bundled import TITLES, BundledModel, ModelState, bundled_model, localized
from penstock_local.routes.route_files import LoadedRoute


class PlannedRoute(msgspec.Struct, frozen=True, kw_only=True):
    """The plan of one route. The entry is for this machine, `spec` is as written.

    `servable`: a worker makes sense, now or once a model has loaded. `notes`: what is missing though it serves.
    """

    entry: CatalogueEntry
    spec: ModelRouteSpec
    servable: bool
    variables: tuple[str, ...]
    models: tuple[BundledModel, ...]
    notes: tuple[str, ...] = ()


def plan(
    routes: Sequence[LoadedRoute],
    environ: Mapping[str, str],
    models: dict[BundledModel, ModelState],
    *,
    started_at: int,
) -> list[PlannedRoute]:
    """One planned route for each loaded one, in the same order. `started_at` is in Unix seconds."""
    owners: dict[str, str] = {}
    return [
        # The catalogue gives a name that two routes claim to the older one; here the order of the files decides.
        _planned(route, environ, models, _taken(route, owners), created_at=started_at - len(routes) + position)
        for position, route in enumerate(routes)
    ]


def entries_for_workers_elsewhere(routes: Sequence[LoadedRoute], *, started_at: int) -> list[CatalogueEntry]:
    """The catalogue of `penstock routes`: keys and models are where the workers are, only names can be wrong here."""
    owners: dict[str, str] = {}
    taken = [_taken(route, owners) for route in routes]
    return [
        CatalogueEntry(
            namespace=route.route.metadata.namespace,
            name=route.route.metadata.name,
            created_at=started_at - len(routes) + position,
            spec=route.route.spec,
            ready=problem is None,
            reason=problem or "",
        )
        for position, (route, problem) in enumerate(zip(routes, taken, strict=True))
    ]


def secret_variables(spec: ModelRouteSpec) -> tuple[str, ...]:
    names = [secret_variable(ref) for provider in spec.providers for ref in provider.secret_refs]
    return tuple(dict.fromkeys(names))


def _taken(loaded: LoadedRoute, owners: dict[str, str]) -> str | None:
    """Claim the route's names in `owners`; what an earlier route has already is the reason not to serve this one."""
    problem = None
    for model in loaded.route.spec.models:
        for name in (model.name, *model.aliases):
            if (owner := owners.setdefault(name, loaded.key)) != loaded.key:
                problem = problem or f"the model {name} belongs to the route {owner}"
    return problem


def _planned(
    loaded: LoadedRoute,
    environ: Mapping[str, str],
    models: dict[BundledModel, ModelState],
    taken: str | None,
    *,
    created_at: int,
) -> PlannedRoute:
    spec = loaded.route.spec
    used = [provider for provider in spec.providers if provider.weight > 0]
    keyless = {provider.name: problem for provider in used if (problem := _missing_key(provider, environ))}
    broken = keyless | {
        provider.name: problem
        for provider in used
        if provider.name not in keyless and (problem := _unserved_model(provider, models))
    }
    reason = taken or (next(iter(broken.values())) if len(broken) == len(used) else "")
    return PlannedRoute(
        entry=CatalogueEntry(
            namespace=loaded.route.metadata.namespace,
            name=loaded.route.metadata.name,
            created_at=created_at,
            # The log of a run is its user's alone, and a wrong parameter cannot be found without the provider's words.
            spec=msgspec.structs.replace(localized(spec, models), error_messages_in_log=True),
            ready=not reason,
            reason=reason,
        ),
        spec=spec,
        servable=taken is None and len(keyless) < len(used),
        variables=tuple(name for name in secret_variables(spec) if environ.get(name)),
        models=tuple(dict.fromkeys(model for provider in spec.providers if (model := bundled_model(provider)))),
        notes=() if reason else tuple(f"without {name}: {problem}" for name, problem in broken.items()),
    )


def _missing_key(provider: ProviderSpec, environ: Mapping[str, str]) -> str | None:
    """Which variables to set, None if all secrets of the provider are there."""
    wanted = dict.fromkeys(secret_variable(ref) for ref in provider.secret_refs)
    missing = [variable for variable in wanted if not environ.get(variable)]
    return f"set {' and '.join(missing)}" if missing else None


def _unserved_model(provider: ProviderSpec, models: dict[BundledModel, ModelState]) -> str | None:
    if (model := bundled_model(provider)) is None:
        return None
    state = models.get(model, ModelState())
    return state.failure or (None if state.address else f"{TITLES[model]} is loading")
