"""Types that several parts of a ModelRoute share: bounded text, numbers, and the reference to a Secret."""

import re
from typing import Annotated

from msgspec import Meta, Struct

Seconds = Annotated[float, Meta(gt=0, le=86_400)]
WholeSeconds = Annotated[int, Meta(ge=1, le=86_400)]
Replicas = Annotated[int, Meta(ge=0, le=1000)]
# `\Z`, as Python's `$` also matches before a line end; `crd` writes `$`, as RE2 has no `\Z` and its `$` is one.
_DNS_LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z"
# What we name has room for what is appended to it: a Deployment's pods are called <route>-worker-<hash>-<hash>.
DnsLabel = Annotated[str, Meta(pattern=_DNS_LABEL, max_length=40)]
NamespaceName = Annotated[str, Meta(pattern=_DNS_LABEL, max_length=63)]
_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = rf"({_LABEL}(\.{_LABEL})*|\[[0-9A-Fa-f]*:[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*\])"
_PORT = r"([0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
# A name reaches terminals and logs: no C0 or C1 control character, which a terminal could take for a command.
PrintableName = Annotated[str, Meta(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f-\x9f]+\Z")]
Url = Annotated[str, Meta(pattern=rf"^https?://{_HOST}(:{_PORT})?(/[^\s?#]*)?\Z", max_length=2048)]
ProxyUrl = Annotated[str, Meta(pattern=rf"^http://{_HOST}(:{_PORT})?/?\Z", max_length=2048)]

ApiVersion = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(-preview)?\Z", max_length=18)]
HeaderName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]*\Z", max_length=64)]


class RouteStruct(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """Base of the resource's objects: camelCase names, unknown fields refused, defaults left out."""


class SecretKeyRef(RouteStruct, frozen=True, kw_only=True):
    """A key of a Secret in the route's own namespace; on a laptop an environment variable, see `secret_variable`."""

    name: Annotated[str, Meta(min_length=1, max_length=253, description="The Secret, in the route's own namespace.")]
    key: Annotated[str, Meta(min_length=1, max_length=253, description="The key in it.")]


def secret_variable(ref: SecretKeyRef) -> str:
    """Environment variable that holds a secret: `{name: openai, key: api-key}` is `OPENAI_API_KEY`."""
    return re.sub(r"[^A-Za-z0-9]+", "_", f"{ref.name}_{ref.key}").upper()
