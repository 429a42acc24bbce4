"""Serves the files of a page from memory: a package's folder, read once at start, under fixed paths.

Litestar's static files are not used: they read the disk in a thread at each request, answer no `If-None-Match`, and
take any path below a folder, while authentication needs the exact paths of the files that are public.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath
from typing import Any, Final

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from msgspec import Struct

CONTENT_TYPES: Final = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
"""Litestar adds `charset=utf-8` to text."""
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "trusted-types 'none'"
)
"""No inline script or style, no foreign host, no frame. Trusted types: text of a model cannot become markup."""
HEADERS: Final = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    # Stored, but validated at each load: the files of one version are never mixed with those of another.
    "cache-control": "no-cache",
}


class Asset(Struct, frozen=True):
    """The content of one file. `etag` is a strong validator (RFC 9110 §8.8.3)."""

    content: bytes
    content_type: str
    etag: str


class Assets:
    """Files by the path that serves them."""

    def __init__(self, by_path: Mapping[str, Asset]) -> None:
        self._by_path = by_path

    @property
    def paths(self) -> frozenset[str]:
        return frozenset(self._by_path)

    def handler(self) -> HTTPRouteHandler:
        """One handler of all paths; each is exact, so that another path is the usual 404."""
        by_path = self._by_path

        @get(sorted(by_path), include_in_schema=False, sync_to_thread=False)
        def asset(request: Request[Any, Any, Any]) -> Response[bytes]:
            return _answer(by_path[request.scope["path"]], request.headers.get("if-none-match", ""))

        return asset


def load(package: str, prefix: str, index: str | None = None, names: Collection[str] | None = None) -> Assets:
    """Every file of a package's folder whose type is known, as `prefix/name`; `index.html` is served at `index`.

    With `names`, only these files: one page uses some of another one's.
    """
    by_path = {}
    for name, file in _files(files(package), prefix):
        content_type = CONTENT_TYPES.get(PurePosixPath(name).suffix)
        if content_type is None or (names is not None and name.removeprefix(f"{prefix}/") not in names):
            continue
        path = index if index is not None and name == f"{prefix}/index.html" else name
        content = file.read_bytes()
        by_path[path] = Asset(content, content_type, f'"{hashlib.sha256(content).hexdigest()[:32]}"')
    return Assets(by_path)


def _files(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        name = f"{prefix}/{entry.name}"
        if entry.is_dir():
            yield from _files(entry, name)
        else:
            yield name, entry


def _answer(asset: Asset, if_none_match: str) -> Response[bytes]:
    headers = {**HEADERS, "etag": asset.etag}
    if matches(asset.etag, if_none_match.split(",")):
        return Response(b"", status_code=304, headers=headers)
    return Response(asset.content, media_type=asset.content_type, headers=headers)


def matches(etag: str, sent: Iterable[str]) -> bool:
    """Weak comparison (RFC 9110 §13.1.2), because a proxy that compresses marks the validator as weak."""
    return any(one.strip().removeprefix("W/") in {etag, "*"} for one in sent)
