"""The fields that a route adds to the body of a provider's requests, whatever the dialect. Pure."""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Raw

from penstock_contract.request.chat_fields import EMBEDDINGS_KNOWN, KNOWN
from penstock_contract.request.json_body import Fields
from penstock_contract.request.operations import EmbeddingsOperation, Operation
from penstock_contract.route.request_additions import FieldSpec
from penstock_worker.providers.adapter import HttpRequest

SAME: Final = frozenset(("max_tokens", "max_completion_tokens"))
"""Two names of one bound: a client that sent either has set it."""

_fields = msgspec.json.Decoder(Fields).decode


def with_fields(request: HttpRequest, added: Sequence[FieldSpec], operation: Operation) -> HttpRequest:
    """The request with each field that its body lacks; a chat's field is not added to embeddings, and vice versa."""
    ours, others = (
        (EMBEDDINGS_KNOWN, KNOWN) if isinstance(operation, EmbeddingsOperation) else (KNOWN, EMBEDDINGS_KNOWN)
    )
    fields = _fields(request.body)
    present = set(fields) | (SAME if SAME & fields.keys() else set())
    changed = {
        one.name: Raw(one.value.encode())
        for one in added
        if one.name not in present and not (one.name in others and one.name not in ours)
    }
    if not changed:
        return request
    return HttpRequest(request.path, request.headers, msgspec.json.encode({**fields, **changed}))
