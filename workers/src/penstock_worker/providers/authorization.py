"""The header that carries a provider's key. Pure."""

from penstock_contract.route.spec import ProviderSpec


def authorization(spec: ProviderSpec, key: str | None) -> dict[str, str]:
    """The route's choice of header, else the dialect's; in `authorization` the key is a Bearer token."""
    if not key:
        return {}
    name = spec.header_of_key
    return {name: f"Bearer {key}" if name == "authorization" else key}
