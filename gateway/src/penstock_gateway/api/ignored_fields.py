"""`x-penstock-ignored`: the fields of a request that were not sent to the answering provider.

A stream without a first event at its commit deadline has no such header: the provider is not known then.
"""

from collections.abc import Sequence
from typing import Final

from penstock_contract.catalogue import Resolution
from penstock_contract.request.chat_fields import KNOWN, ignored
from penstock_gateway.access.request_context import RequestContext

HEADER: Final = b"x-penstock-ignored"


def name_ignored(
    context: RequestContext,
    fields: Sequence[str],
    resolution: Resolution,
    provider: str | None,
    *,
    nested: Sequence[str] = (),
    known: frozenset[str] = KNOWN,
) -> None:
    """Add the header to the response that is about to start, if a field was ignored.

    `nested` are names in messages, which only another dialect leaves out.
    """
    for spec in resolution.entry.spec.providers:
        if spec.name != provider or spec.type == "Simulated":
            continue
        names = [*ignored(fields, spec, known=known), *(nested if spec.type == "Anthropic" else ())]
        if names:
            context.response_headers.append((HEADER, ", ".join(names).encode()))
