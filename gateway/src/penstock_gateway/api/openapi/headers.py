"""Describes the headers of responses, and those of requests for streams, in the OpenAPI document.

A header that a response may lack is described in each response: to openapi-typescript 7 a reference is always present.
"""

from typing import Any, Final

from penstock_contract.endpoints import COUNT_TOKENS, MESSAGES

Json = dict[str, Any]

REQUEST_ID: Final = "x-request-id"
IGNORED: Final = "x-penstock-ignored"
ESTIMATED: Final = "x-penstock-estimated"
AUTHENTICATE: Final = "www-authenticate"
OF_ERRORS: Final = ("x-should-retry", "retry-after", "retry-after-ms")
RATE_LIMITS: Final = tuple(
    f"x-ratelimit-{name}-{meter}" for meter in ("requests", "tokens") for name in ("limit", "remaining", "reset")
)
ANTHROPIC_RATE_LIMITS: Final = tuple(
    f"anthropic-ratelimit-{meter}-{name}"
    for meter in ("requests", "tokens")
    for name in ("limit", "remaining", "reset")
)
_MEANINGS: Final[dict[str, tuple[str, Json]]] = {
    REQUEST_ID: ("The request's id in the logs of gateway and worker; `request-id` has the same.", {"type": "string"}),
    IGNORED: ("Fields of the request that were not sent to the answering provider, with commas.", {"type": "string"}),
    ESTIMATED: ("Counts that are the gateway's estimate, and no provider's.", {"type": "string"}),
    AUTHENTICATE: ("How a key is sent.", {"type": "string"}),
    "x-should-retry": ("Whether the same request may succeed later.", {"enum": ["true", "false"]}),
    "retry-after": ("Seconds after which to send the request again.", {"type": "string", "pattern": r"^\d+$"}),
    "retry-after-ms": ("The same in milliseconds.", {"type": "string", "pattern": r"^\d+$"}),
    **{
        name: (f"A limit of the key, as OpenAI's API has it: {name.removeprefix('x-ratelimit-')}.", {"type": "string"})
        for name in RATE_LIMITS
    },
    **{
        name: (
            f"A limit of the key, as Anthropic's API has it: {name.removeprefix('anthropic-ratelimit-')}.",
            {"type": "string"},
        )
        for name in ANTHROPIC_RATE_LIMITS
    },
}
REQUIRED: Final = frozenset((REQUEST_ID, "x-should-retry"))
"""On each response, and on each error; the others depend on the request."""
ON_DISCONNECT: Final[Json] = {
    "name": "x-penstock-on-disconnect",
    "in": "header",
    "required": False,
    "description": "What a disconnect does to the stream, within what the model's route allows (`spec.streams`):"
    " `cancel` ends the provider's call, `grace` and `grace=SECONDS` wait for a reader, `detach` runs to the end.",
    "schema": {"type": "string", "pattern": r"^(cancel|detach|grace(=[0-9]{1,6})?)$"},
}

PROGRESS: Final[Json] = {
    "name": "x-penstock-progress",
    "in": "header",
    "required": False,
    "description": "Send the response at once, and report why the request waits.",
    "schema": {"enum": ["true", "false"]},
}


def describe_headers(document: Json) -> None:
    """Add the headers of each response of `document`, and of requests that begin a stream."""
    described = {
        name: {"description": meaning, "required": name in REQUIRED, "schema": schema}
        for name, (meaning, schema) in _MEANINGS.items()
    }
    document["components"]["headers"] = {name: one for name, one in described.items() if name in REQUIRED}
    for path, item in document.get("paths", {}).items():
        for method, operation in item.items():
            for status, response in operation.get("responses", {}).items() if isinstance(operation, dict) else ():
                names = _headers(method, status, has_errors=_has_errors(response))
                if path == COUNT_TOKENS.path and status == "200":
                    names.append(ESTIMATED)
                if path == MESSAGES.path and RATE_LIMITS[0] in names:
                    names += ANTHROPIC_RATE_LIMITS
                response["headers"] = {
                    name: {"$ref": f"#/components/headers/{name}"} if name in REQUIRED else described[name]
                    for name in names
                }
            if method == "post" and _is_stream(operation):
                operation["parameters"] = [*operation.get("parameters", ()), ON_DISCONNECT, PROGRESS]


def _is_stream(operation: Json) -> bool:
    return "text/event-stream" in operation.get("responses", {}).get("200", {}).get("content", {})


def _has_errors(response: Json) -> bool:
    schema = response.get("content", {}).get("application/json", {}).get("schema", {})
    return bool(schema.get("$ref", "").endswith(("/ErrorBody", "/MessagesErrorBody")))


def _headers(method: str, status: str, *, has_errors: bool) -> list[str]:
    names = [REQUEST_ID]
    if has_errors:
        names += OF_ERRORS
    elif method == "post":
        names.append(IGNORED)
    if method == "post" and (status == "429" or not has_errors):
        names += RATE_LIMITS
    if status == "401":
        names.append(AUTHENTICATE)
    return names
