"""Checks of the routes that `penstock dev -f` would serve: the files, the keys, the providers' answers."""

import ssl
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import httpx

from penstock_contract.route.provider import KEY_HEADERS, ProviderSpec
from penstock_contract.route.values import secret_variable
from penstock_local.doctor.diagnosis import Diagnosis, ok, problem, warning
from penstock_local.models.bundled import bundled_model
from penstock_local.routes import route_files
from penstock_local.routes.plan import plan, secret_variables
from penstock_local.routes.route_files import InvalidRoutes, LoadedRoute

TIMEOUT_S: Final = 5.0
ADDRESSES: Final = {"Anthropic": "https://api.anthropic.com/v1"}


def check(files: Sequence[str], environ: Mapping[str, str], *, offline: bool) -> Iterator[Diagnosis]:
    try:
        routes = route_files.load(route_files.read(files))
    except InvalidRoutes as error:
        yield problem("route-files", str(error), "correct the file; docs/reference/modelroute.md has every field")
        return
    yield ok("route-files", f"{len(routes)} route{'' if len(routes) == 1 else 's'}")
    yield from _owners(routes, environ)
    for route in routes:
        yield from _keys(route, environ)
        for provider in route.route.spec.providers:
            missing = any(not environ.get(name) for name in map(secret_variable, provider.secret_refs))
            if not (offline or missing) and (finding := _provider(route, provider, environ)) is not None:
                yield finding


def _owners(routes: Sequence[LoadedRoute], environ: Mapping[str, str]) -> Iterator[Diagnosis]:
    for planned in plan(routes, environ, {}, started_at=0):
        if "belongs to the route" in planned.entry.reason:
            advice = "give the model another name, or remove one of the two: the first file's route owns the name"
            yield problem("model-names", f"{planned.entry.key}: {planned.entry.reason}", advice)


def _keys(loaded: LoadedRoute, environ: Mapping[str, str]) -> Iterator[Diagnosis]:
    for name in secret_variables(loaded.route.spec):
        value = environ.get(name, "")
        if not value:
            yield problem("provider-key", f"{loaded.key}: {name} is not set", f"export {name}=... before penstock dev")
        elif value != value.strip() or not value.isascii():
            found = f"{loaded.key}: {name} has blanks around it or characters that no header can carry"
            yield problem("provider-key", found, "copy the key again")
        else:
            yield ok("provider-key", f"{loaded.key}: {name} is set")


def _provider(loaded: LoadedRoute, provider: ProviderSpec, environ: Mapping[str, str]) -> Diagnosis | None:
    base = provider.base_url or ADDRESSES.get(provider.type)
    if base is None or bundled_model(provider) is not None or provider.type == "Simulated":
        return None
    who = f"{loaded.key}, provider {provider.name}"
    try:
        answer = httpx.get(f"{base.rstrip('/')}/models", headers=_headers(provider, environ), timeout=TIMEOUT_S)
    except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError) as error:
        advice = "correct baseURL, or start the server; a proxy is set with HTTPS_PROXY"
        return problem("provider", f"{who}: cannot be reached ({error or type(error).__name__})", advice)
    if answer.status_code in {401, 403}:
        variables = " and ".join(map(secret_variable, provider.secret_refs)) or "no key is configured: secretKeyRef"
        return problem("provider", f"{who}: refuses the key (HTTP {answer.status_code})", f"correct {variables}")
    if answer.status_code >= 500:
        return warning("provider", f"{who}: HTTP {answer.status_code}", "try again later; a fallback provider helps")
    # Azure and others have no /models: any other answer shows that the address is a server's.
    return ok("provider", f"{who}: answers")


def _headers(provider: ProviderSpec, environ: Mapping[str, str]) -> dict[str, str]:
    version = {"anthropic-version": "2023-06-01"} if provider.type == "Anthropic" else {}
    if provider.secret_key_ref is None:
        return version
    key = environ.get(secret_variable(provider.secret_key_ref), "").strip()
    name = KEY_HEADERS.get(provider.type, "authorization")
    return {**version, name: f"Bearer {key}" if name == "authorization" else key}
