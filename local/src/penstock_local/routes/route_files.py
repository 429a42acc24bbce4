"""Reads ModelRoute files: the resource as kubectl takes it, several documents a file, errors with file and line.

Depends on text and types only: the plan decides which process serves a route, and whether its key is set.
"""

import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import msgspec

from penstock_contract.errors import PenstockError
from penstock_contract.route import validation
from penstock_contract.route.spec import ModelRoute
from penstock_local.routes.route_problem import problem
from penstock_local.routes.yaml_documents import BYTES_MAX, InvalidText, check, documents
from penstock_local.terminal.printable import printable

GROUP = "penstock.dev/"


class InvalidRoutes(Exception):  # noqa: N818 - named like settings.InvalidSettings
    """A file cannot be used; the message names file, document and field, and is printable."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class RouteFile(msgspec.Struct, frozen=True):
    """One file's text. `name` is how the user called it."""

    name: str
    text: str


class LoadedRoute(msgspec.Struct, frozen=True):
    """A route and where it came from, for messages: `routes.yaml, document 2`."""

    source: str
    route: ModelRoute

    @property
    def key(self) -> str:
        return f"{self.route.metadata.namespace}/{self.route.metadata.name}"


def read(paths: Sequence[str]) -> list[RouteFile]:
    """Read the files, `-` being standard input; without any the bundled routes. Raises `InvalidRoutes`.

    A directory stands for the *.yaml and *.yml in it, by name, as with kubectl.
    """
    if not paths:
        return [RouteFile("the bundled routes", (files(__package__) / "local.yaml").read_text("utf-8"))]
    return [_read(name) for path in paths for name in files_of(path)]


def files_of(path: str) -> list[str]:
    """The files that a path stands for. Raises `InvalidRoutes` for a directory without any."""
    if path == "-" or not Path(path).is_dir():
        return [path]
    try:
        found = sorted(str(file) for file in Path(path).iterdir() if file.suffix in {".yaml", ".yml"})
    except OSError as error:
        raise InvalidRoutes(f"{path}: {error.strerror}") from error
    if not found:
        raise InvalidRoutes(f"{path}: no *.yaml or *.yml in it")
    return found


def _read(path: str) -> RouteFile:
    name = "standard input" if path == "-" else path
    try:
        if path == "-":
            data = sys.stdin.buffer.read(BYTES_MAX + 1)
        else:
            with Path(path).open("rb") as file:
                data = file.read(BYTES_MAX + 1)
        if len(data) > BYTES_MAX:
            raise InvalidRoutes(f"{name}: it has more than {BYTES_MAX} bytes; split it into several files")
        return RouteFile(name, data.decode())
    except OSError as error:
        raise InvalidRoutes(f"{name}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidRoutes(f"{name}: not UTF-8 text") from error


def load(sources: Sequence[RouteFile]) -> list[LoadedRoute]:
    """All routes in the files' order. Documents of other API groups are ignored."""
    routes = [route for source in sources for route in _parse(source)]
    if not routes:
        raise InvalidRoutes(f"{', '.join(source.name for source in sources)}: no ModelRoute in it")
    seen: dict[str, LoadedRoute] = {}
    for route in routes:
        if (first := seen.setdefault(route.key, route)) is not route:
            raise InvalidRoutes(f"{route.source}: the route {route.key} is already in {first.source}")
        _check(route)
    return routes


def _parse(source: RouteFile) -> list[LoadedRoute]:
    try:
        found = documents(source.text)
    except InvalidText as error:
        where = f", line {error.line}" if error.line else ""
        raise InvalidRoutes(f"{source.name}{where}: {error}") from error
    return [
        _convert(document, f"{source.name}, document {number}")
        for number, document in enumerate(found, 1)
        if document is not None and not _foreign(document)
    ]


def _foreign(document: object) -> bool:
    version = document.get("apiVersion") if isinstance(document, dict) else None
    return isinstance(version, str) and not version.startswith(GROUP)


def _convert(document: object, source: str) -> LoadedRoute:
    try:
        check(document)
        return LoadedRoute(source, msgspec.convert(document, ModelRoute))
    except InvalidText as error:
        raise InvalidRoutes(f"{source}: {error}") from error
    except msgspec.ValidationError as error:
        raise InvalidRoutes(f"{source}: {problem(document, error)}") from error


def _check(loaded: LoadedRoute) -> None:
    try:
        validation.check(loaded.route.spec)
    except PenstockError as error:
        raise InvalidRoutes(f"{loaded.source}: {error.detail.message}") from error
