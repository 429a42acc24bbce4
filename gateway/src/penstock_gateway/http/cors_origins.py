"""Parses PENSTOCK_CORS_ORIGINS: exact origins of pages and of apps (`app://obsidian.md`, `tauri://localhost`)."""

import re

ORIGINS_MAX = 64
_PAGE = re.compile(r"https?://([a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\])(:[0-9]{1,5})?", re.IGNORECASE)
_APP = re.compile(r"[a-z][a-z0-9+.-]{0,63}://[a-z0-9._~%-]{1,253}(:[0-9]{1,5})?", re.IGNORECASE)
NULL = "null"
"""The origin of a sandboxed frame and of a page from a file: any page can create one."""


def parse(text: str) -> frozenset[str]:
    """The origins of `text`, separated by commas, in lower case. Raises `ValueError` with the correct form."""
    found = frozenset(part.strip().lower() for part in text.split(",")) - {""}
    for origin in sorted(found):
        _check(origin)
    if len(found) > ORIGINS_MAX:
        raise ValueError(f"{len(found)} origins are more than {ORIGINS_MAX}")
    return found


def _check(origin: str) -> None:
    if origin == NULL or (_PAGE if origin.startswith(("http://", "https://")) else _APP).fullmatch(origin):
        return
    shown = repr(origin[:200])
    if "*" in origin:
        raise ValueError(f"{shown} is not an exact origin; name each one, like https://app.example.com")
    scheme, slashes, rest = origin.partition("://")
    if not slashes:
        raise ValueError(f"{shown} has no scheme; write it like https://app.example.com or http://localhost:3000")
    host, slash, _ = rest.partition("/")
    if slash and (_PAGE if scheme in {"http", "https"} else _APP).fullmatch(f"{scheme}://{host}"):
        raise ValueError(f"{shown} has a path or a slash at its end, which no origin has; write {scheme}://{host}")
    raise ValueError(f"{shown} is not an origin; write scheme://host or scheme://host:port")
