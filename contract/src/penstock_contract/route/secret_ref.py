"""A reference to a key of a Secret: a route holds the name of a secret, never its value."""

import re
from typing import Annotated

from msgspec import Meta, Struct


class SecretKeyRef(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """A key of a Secret in the route's own namespace; on a laptop an environment variable, see `secret_variable`."""

    name: Annotated[str, Meta(min_length=1, max_length=253, description="The Secret, in the route's own namespace.")]
    key: Annotated[str, Meta(min_length=1, max_length=253, description="The key in it.")]


def secret_variable(ref: SecretKeyRef) -> str:
    """Environment variable that holds a secret: `{name: openai, key: api-key}` is `OPENAI_API_KEY`."""
    return re.sub(r"[^A-Za-z0-9]+", "_", f"{ref.name}_{ref.key}").upper()
