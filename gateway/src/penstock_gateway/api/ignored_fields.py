"""`x-penstock-ignored`: which of a request's fields the answering provider was not sent.

A stream that had no first event before its 200 was due has no such header: the provider is not known then.
"""

from collections.abc import Sequence
from typing import Final

from litestar.types import Scope

from penstock_contract.catalogue import Resolution
from penstock_contract.request.chat_fields import IGNORED_MAX, KNOWN, ignored, shown
from penstock_contract.request.nested_fields import nested_ignored
from penstock_gateway.http.request_middleware import headers_of

HEADER: Final = b"x-penstock-ignored"


def name_ignored(
    scope: Scope,
    fields: Sequence[str],
    resolution: Resolution,
    provider: str | None,
    *,
    body: bytes = b"",
    known: frozenset[str] = KNOWN,
) -> None:
    """Add the header to the response that is about to start, if there is anything to name.

    `body` is a chat's, in which names may be left out that are not at the top level.
    """
    for spec in resolution.entry.spec.providers:
        if spec.name != provider or spec.type == "Simulated":
            continue
        nested = nested_ignored(body, spec) if body else ()
        if names := [*ignored(fields, spec, known=known), *map(shown, nested)][:IGNORED_MAX]:
            headers_of(scope).append((HEADER, ", ".join(names).encode()))
