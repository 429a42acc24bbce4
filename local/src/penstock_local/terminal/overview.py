"""Renders the overview: the address, the routes and one command to copy for each. Pure text."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from penstock_contract.catalogue import WILDCARD
from penstock_contract.route.provider import ProviderSpec
from penstock_contract.route.spec import ModelSpec
from penstock_local.models.bundled import TITLES, bundled_model
from penstock_local.routes.plan import PlannedRoute
from penstock_local.terminal.printable import printable
from penstock_runtime.listen_address import is_loopback

BOLD: Final = "1"
GREEN: Final = "32"
YELLOW: Final = "33"
_MODELS_SHOWN = 3


class Ink(msgspec.Struct, frozen=True):
    """Colours text if the output is a terminal."""

    colour: bool

    def __call__(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour else text


def local_url(host: str, port: int) -> str:
    """The URL by which this machine reaches a server that listens on `host`."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - recognised, not bound
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


def exposure_warning(host: str, key: str | None) -> str | None:
    """A warning about listening on `host`, if other machines can reach it."""
    if is_loopback(host):
        return None
    if key is not None:
        return f"listening on {host}: a client needs the key below, or one of `penstock keys create`"
    return f"listening on {host}: every client that reaches this machine can use all routes, and spends your keys"


def key_notice(host: str, key: str | None) -> str:
    """A notice whether callers need a key, and why not."""
    if key is not None:
        return f"API key: {key}"
    why = "only this machine can reach it" if is_loopback(host) else "PENSTOCK_AUTHENTICATION is off"
    return f"No API key is required: {why}"


def state_notice(state: Path | None) -> str:
    """A notice whether keys, limits and usage outlive this run, and where they are."""
    if state is None:
        return "State: none, keys and usage end with this run"
    return f"State: {state} keeps keys, limits and usage; `penstock reset` deletes them"


def render(
    url: str,
    planned: Sequence[PlannedRoute],
    working: frozenset[str],
    ink: Ink,
    *,
    after_s: float,
    host: str,
    key: str | None = None,
    playground: bool = False,
    state: Path | None = None,
    slower: str | None = None,
) -> str:
    """The whole screen. `working` are the keys of the routes whose worker has reported, `after_s` the time it took.

    `host` is where it listens, `key` an API key if one is needed. `playground`: the address is that of a page, too.
    `state` is the directory that outlives the run, `slower` a notice about the Python.
    """
    page = "; a browser shows the playground there" if playground else ""
    listens = f"Penstock listens on {ink(BOLD, url)} after {after_s:.1f} s{page}"
    lines = ["", listens, key_notice(host, key), state_notice(state)]
    lines += [*([ink(YELLOW, f"Note: {slower}")] if slower else []), "", *table(planned, working, ink)]
    commands = [command for route in planned if route.entry.ready for command in _commands(url, route, key)]
    if commands:
        lines += ["", "Try:", *(f"  {command}" for command in commands)]
    return "\n".join([*lines, ""])


def readiness(route: PlannedRoute, working: frozenset[str]) -> str:
    """`ready`, or `not ready: …` with what to do about it."""
    if not route.entry.ready:
        return f"not ready: {printable(route.entry.reason)}"
    return "ready" if route.entry.key in working else "not ready: its worker has not reported yet"


def table(planned: Sequence[PlannedRoute], working: frozenset[str], ink: Ink) -> list[str]:
    """A line for each route, and one for each provider that is left out."""
    rows = [("ROUTE", "MODELS", "PROVIDER")]
    rows += [(_name(route), _models(route.spec.models), _providers(route.spec.providers)) for route in planned]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    cells = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    lines = [f"  {cells[0]}  STATE"]
    for route, cell in zip(planned, cells[1:], strict=True):
        state = readiness(route, working)
        lines.append(f"  {cell}  {ink(GREEN if state == 'ready' else YELLOW, state)}")
        lines += [f"  {' ' * len(cell)}  {printable(note)}" for note in route.notes]
    return lines


def _name(route: PlannedRoute) -> str:
    return route.entry.name if route.entry.namespace == "default" else f"{route.entry.namespace}/{route.entry.name}"


def _models(models: Sequence[ModelSpec]) -> str:
    names = [printable(name) for model in models for name in (model.name, *model.aliases)]
    more = f", {len(names) - _MODELS_SHOWN} more" if len(names) > _MODELS_SHOWN else ""
    return ", ".join(names[:_MODELS_SHOWN]) + more


def _providers(providers: Sequence[ProviderSpec]) -> str:
    return ", ".join(_provider(provider) for provider in providers)


def _provider(provider: ProviderSpec) -> str:
    if (model := bundled_model(provider)) is not None:
        return f"{TITLES[model]}, bundled"
    host = printable(urlsplit(provider.base_url).netloc) if provider.base_url else ""
    return f"{provider.type} at {host}" if host else provider.type


def _commands(url: str, route: PlannedRoute, key: str | None) -> list[str]:
    """One for each type of model that the route has: most have one."""
    first: dict[str, str] = {}
    for model in route.spec.models:
        first.setdefault(model.type, "any-model" if model.name == WILDCARD else model.name)
    return [_command(url, type_, model, key) for type_, model in first.items()]


def _command(url: str, type_: str, model: str, key: str | None) -> str:
    header = "" if key is None else f" -H 'authorization: Bearer {key}'"
    if type_ == "Embedding":
        return f"curl{header} {url}/api/embed -d {_json(model=model, text='cat')}"
    return f"curl{header} -N {url}/api/generate -d {_json(model=model, prompt='Why is the sky blue?')}"


def _json(**fields: str) -> str:
    return shlex.quote(msgspec.json.encode(fields).decode())
