"""The tables of docs/reference/providers.md, made from the code: `python -m penstock_contract.request.field_matrix`."""

from collections.abc import Iterator

from penstock_contract.request.chat_fields import (
    ANTHROPIC,
    ANTHROPICS_OWN,
    EMBEDDINGS_KNOWN,
    STEERING,
    STEERING_PREFIXES,
    treatment,
)
from penstock_contract.route.spec import ProviderSpec

OPENAI_TYPE = ProviderSpec(name="openai", type="OpenAI")
OPENAI_TYPES = "`OpenAI`, `AzureOpenAI`, `CloudflareWorkersAI`"
"""They have the same dialect."""
ANTHROPIC_TYPE = ProviderSpec(name="anthropic", type="Anthropic")
UNKNOWN = "any-other-field"


def matrix() -> str:
    """One row per field of a chat request."""
    rows = [f"| field | {OPENAI_TYPES} | `Anthropic` |", "|---|---|---|"]
    rows += [
        f"| `{name}` | {treatment(name, OPENAI_TYPE)} | {treatment(name, ANTHROPIC_TYPE)} |"
        for name in sorted(ANTHROPIC, key=lambda name: (name in ANTHROPICS_OWN, name))
    ]
    rows.append(f"| any other | {treatment(UNKNOWN, OPENAI_TYPE)} | {treatment(UNKNOWN, ANTHROPIC_TYPE)} |")
    return "\n".join(rows)


def embeddings_matrix() -> str:
    """One row per field of an embeddings request."""
    rows = [f"| field | {OPENAI_TYPES} |", "|---|---|"]
    rows += [
        f"| `{name}` | {treatment(name, OPENAI_TYPE, known=EMBEDDINGS_KNOWN)} |" for name in sorted(EMBEDDINGS_KNOWN)
    ]
    rows.append(f"| any other | {treatment(UNKNOWN, OPENAI_TYPE, known=EMBEDDINGS_KNOWN)} |")
    return "\n".join(rows)


def steering() -> str:
    """The fields that a route has to allow by name."""
    return ", ".join(f"`{name}`" for name in _steering())


def _steering() -> Iterator[str]:
    yield from sorted(STEERING)
    for prefix in STEERING_PREFIXES:
        yield f"{prefix}*"


if __name__ == "__main__":
    print(matrix(), embeddings_matrix(), steering(), sep="\n\n")  # noqa: T201 - what it is for
