"""Credentials of a provider: its key, and the route's headers and query parameters.

A value in a Secret is read again after the Secret has changed, see `provider_key`.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import quote

from penstock_contract.errors import PenstockError
from penstock_contract.route.provider import ProviderSpec
from penstock_contract.route.request_additions import HeaderSpec, QueryParameterSpec
from penstock_worker.providers.adapter import HttpRequest
from penstock_worker.upstream.provider_key import ProviderKey, ProviderKeys

VISIBLE: Final = re.compile(r"[\x20-\x7e]*")
"""Characters allowed in a header: a line end would begin another header (RFC 9110 §5.5)."""
_SCHEME: Final = re.compile(r"(?:bearer|basic|token)\s+", re.IGNORECASE)
Addition = HeaderSpec | QueryParameterSpec


class ProviderCredentials:
    """Credentials of one provider; each use has the current values."""

    def __init__(self, spec: ProviderSpec, keys: ProviderKeys) -> None:
        self._key = keys.of(spec.secret_key_ref)
        self._headers = _with_sources(spec.headers, keys)
        self._query = _with_sources(spec.query, keys)
        self._sources = [
            source
            for source in (self._key, *(source for _, source in (*self._headers, *self._query)))
            if source is not None
        ]

    @property
    def number(self) -> int:
        """Counts the changes."""
        return sum(source.number for source in self._sources)

    def check(self) -> None:
        """Read the changed values again."""
        for source in self._sources:
            source.check()

    def key(self) -> str | None:
        """None for a provider without a key. Raises `provider_auth_failed` if the key is missing."""
        return None if self._key is None else _value(self._key)

    def added_to(self, request: HttpRequest) -> HttpRequest:
        """The request with the route's headers and query parameters. Raises `provider_auth_failed`."""
        if not self._headers and not self._query:
            return request
        headers = {addition.name: _text(addition, source) for addition, source in self._headers}
        pairs = [
            f"{quote(addition.name, safe='')}={quote(_text(addition, source), safe='')}"
            for addition, source in self._query
        ]
        path = request.path
        if pairs:
            path += ("&" if "?" in path else "?") + "&".join(pairs)
        # The adapter's headers take precedence over the route's.
        return HttpRequest(path, {**headers, **request.headers}, request.body)

    def secrets(self) -> Iterator[str]:
        """The values that no message may show, without the scheme in front of them."""
        for source in self._sources:
            if value := source.value():
                yield _SCHEME.sub("", value, count=1)


def _with_sources(additions: Sequence[Addition], keys: ProviderKeys) -> list[tuple[Addition, ProviderKey | None]]:
    return [
        (addition, keys.of(addition.value_from.secret_key_ref) if addition.value_from is not None else None)
        for addition in additions
    ]


def _text(addition: Addition, source: ProviderKey | None) -> str:
    return (addition.value or "") if source is None else _value(source)


def _value(source: ProviderKey) -> str:
    value = source.value()
    if not value:
        raise PenstockError("provider_auth_failed", "a credential of the provider is missing")
    if not VISIBLE.fullmatch(value):
        raise PenstockError("provider_auth_failed", "a credential of the provider has characters outside visible ASCII")
    return value
