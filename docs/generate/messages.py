"""Tables of docs/reference/messages.md: what providers of other types do with each field, and the types of errors."""

from generate.page import table
from penstock_contract.anthropic.errors import error_type
from penstock_contract.anthropic.message_fields import MESSAGES_KNOWN, TO_CHAT
from penstock_contract.error_codes import ERRORS
from penstock_contract.request.chat_fields import treatment
from penstock_contract.route.provider import ProviderSpec

ANTHROPIC_TYPE = ProviderSpec(name="anthropic", type="Anthropic")
OWN_HOST = ProviderSpec(name="openai", type="OpenAI")
OTHER_HOST = ProviderSpec(name="other", type="OpenAI", base_url="https://vllm.example/v1")
UNKNOWN = "any-other-field"


def fields() -> str:
    """One row per field of a Messages request."""
    names = [*sorted(TO_CHAT), UNKNOWN]
    return table(
        ("field", "`Anthropic`", "OpenAI's own hosts", "other providers"),
        (
            (
                "any other" if name == UNKNOWN else f"`{name}`",
                *(treatment(name, spec, known=MESSAGES_KNOWN) for spec in (ANTHROPIC_TYPE, OWN_HOST, OTHER_HOST)),
            )
            for name in names
        ),
    )


def error_types() -> str:
    """One row per type, with the codes that have it."""
    types: dict[str, list[str]] = {}
    for code, kind in ERRORS.items():
        if kind.seen_by == "client":
            types.setdefault(error_type(code), []).append(f"`{code}`")
    return table(("type", "codes"), ((f"`{type_}`", ", ".join(codes)) for type_, codes in sorted(types.items())))
