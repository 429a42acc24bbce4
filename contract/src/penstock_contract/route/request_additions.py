"""Additions of a route to each request of a provider: constant headers, query parameters and fields of the body.

A value stands in the route, or in a Secret that the route refers to. Which names are refused is in `rules`, as CEL.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from penstock_contract.route.values import RouteStruct, SecretKeyRef

ADDITIONS_MAX: Final = 16
"""Headers of a provider, and query parameters."""
FIELDS_MAX: Final = 32

# RFC 9110 §5.6.2, in lower case: header names are compared without case, and HTTP/2 has no other.
HeaderToken = Annotated[str, Meta(pattern=r"^[a-z0-9!#$%&'*+.^_`|~-]+\Z", max_length=64)]
QueryName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._~$\[\]-]+\Z", max_length=64)]
# RFC 9110 §5.5 less obs-text and tabs: no line end can begin another header.
VisibleText = Annotated[str, Meta(pattern=r"^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?\Z", max_length=1024)]
FieldName = Annotated[str, Meta(min_length=1, max_length=64)]
JsonText = Annotated[str, Meta(min_length=1, max_length=8192)]


class ValueSource(RouteStruct, frozen=True, kw_only=True):
    """The place of a value that is not written in the route."""

    secret_key_ref: Annotated[SecretKeyRef, Meta(description="A key of a Secret in the route's own namespace.")]


class HeaderSpec(RouteStruct, frozen=True, kw_only=True):
    """A constant header of each request to a provider: `value` or `valueFrom`."""

    name: Annotated[HeaderToken, Meta(description="The header's name in lower case, like `http-referer`.")]
    value: Annotated[VisibleText | None, Meta(description="Its value, for what is no secret.")] = None
    value_from: Annotated[ValueSource | None, Meta(description="Where its value stands, for a credential.")] = None


class QueryParameterSpec(RouteStruct, frozen=True, kw_only=True):
    """A constant query parameter of each request to a provider: `value` or `valueFrom`."""

    name: Annotated[QueryName, Meta(description="The parameter's name.")]
    value: Annotated[
        VisibleText | None, Meta(description="Its value, for what is no secret; it is percent-encoded.")
    ] = None
    value_from: Annotated[ValueSource | None, Meta(description="Where its value stands, for a credential.")] = None


class FieldSpec(RouteStruct, frozen=True, kw_only=True):
    """A field of each request's body, as JSON text: the resource's schema has no free form."""

    name: Annotated[FieldName, Meta(description="A field at the top level of the provider's request.")]
    value: Annotated[
        JsonText, Meta(description="Its value as JSON text: `'false'`, `'\"flex\"'`, `'{\"zdr\": true}'`.")
    ]

    @property
    def is_json(self) -> bool:
        """Return whether `value` is one JSON value; no CEL expression can decide it."""
        try:
            msgspec.json.decode(self.value)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return False
        return True
