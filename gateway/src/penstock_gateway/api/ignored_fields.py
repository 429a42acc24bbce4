"""`x-penstock-ignored`: the fields of a request that were not sent to the answering provider.

A stream without a first event at its commit deadline has no such header: its provider is still unknown.
"""

from collections.abc import Callable, Sequence
from typing import Final

from penstock_contract.anthropic.message_fields import MESSAGES_KNOWN
from penstock_contract.anthropic.nested_fields import ignored_inside
from penstock_contract.catalogue import Resolution
from penstock_contract.request.chat_fields import IGNORED_MAX, KNOWN, ignored, shown
from penstock_contract.request.nested_fields import nested_ignored
from penstock_contract.route.provider import ProviderSpec
from penstock_gateway.access.request_context import RequestContext

HEADER: Final = b"x-penstock-ignored"


def name_ignored(
    context: RequestContext,
    fields: Sequence[str],
    resolution: Resolution,
    provider: str | None,
    *,
    body: bytes = b"",
    known: frozenset[str] = KNOWN,
    dropped: Sequence[str] = (),
    named: Callable[[str], str] = str,
) -> None:
    """Add the header to the response that is about to start, if a field was ignored.

    `body` is the request's, of chat or messages: fields below its top level may be ignored, too. `dropped` are names
    that the mapping of the client's dialect has left out. `named` gives the name of a chat's field in the client's
    dialect.
    """
    names = list(dropped)
    for spec in resolution.entry.spec.providers:
        if spec.name == provider and spec.type != "Simulated":
            nested = _nested(body, spec, known) if body else ()
            names += map(named, [*ignored(fields, spec, known=known), *map(shown, nested)])
    if names:
        context.response_headers.append((HEADER, ", ".join(names[:IGNORED_MAX]).encode()))


def _nested(body: bytes, spec: ProviderSpec, known: frozenset[str]) -> list[str]:
    return ignored_inside(body, spec) if known is MESSAGES_KNOWN else nested_ignored(body, spec)
