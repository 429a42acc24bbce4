"""Tables of docs/reference/providers.md: what each type of provider does with each field of a request."""

from collections.abc import Iterator

from generate.page import table
from penstock_contract.request.chat_fields import (
    ANTHROPIC,
    ANTHROPICS_OWN,
    EMBEDDINGS_KNOWN,
    STEERING,
    STEERING_PREFIXES,
    treatment,
)
from penstock_contract.route.provider import ProviderSpec

OPENAI_TYPE = ProviderSpec(name="openai", type="OpenAI")
OPENAI_TYPES = "`OpenAI`, `AzureOpenAI`, `CloudflareWorkersAI`"
"""They have the same dialect."""
ANTHROPIC_TYPE = ProviderSpec(name="anthropic", type="Anthropic")
UNKNOWN = "any-other-field"


def chat() -> str:
    """One row per field of a chat request; Anthropic's own fields last."""
    fields = sorted(ANTHROPIC, key=lambda name: (name in ANTHROPICS_OWN, name))
    rows = [(f"`{name}`", treatment(name, OPENAI_TYPE), treatment(name, ANTHROPIC_TYPE)) for name in fields]
    rows.append(("any other", treatment(UNKNOWN, OPENAI_TYPE), treatment(UNKNOWN, ANTHROPIC_TYPE)))
    return table(("field", OPENAI_TYPES, "`Anthropic`"), rows)


def embeddings() -> str:
    """One row per field of an embeddings request."""
    rows = [(f"`{name}`", treatment(name, OPENAI_TYPE, known=EMBEDDINGS_KNOWN)) for name in sorted(EMBEDDINGS_KNOWN)]
    rows.append(("any other", treatment(UNKNOWN, OPENAI_TYPE, known=EMBEDDINGS_KNOWN)))
    return table(("field", OPENAI_TYPES), rows)


def steering() -> str:
    """The fields that a route has to allow by name."""
    return ", ".join(f"`{name}`" for name in _steering())


def _steering() -> Iterator[str]:
    yield from sorted(STEERING)
    for prefix in STEERING_PREFIXES:
        yield f"{prefix}*"
