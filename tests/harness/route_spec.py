"""Routes and requests as the tests write them."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from penstock_contract.route.spec import ModelRouteSpec

KEY = "sk-scripted-key-that-nobody-may-see"
"""The key that workers send to the scripted provider."""
KEY_VARIABLE = "SCRIPTED_KEY"


def provider(name: str, base_url: str, **fields: Any) -> dict[str, Any]:
    """A provider of a route, by default OpenAI's dialect with a key; fields are the resource's camelCase."""
    return {
        "name": name,
        "type": "OpenAI",
        "baseURL": base_url,
        "secretKeyRef": {"name": "scripted", "key": "key"},
        **fields,
    }


def spec(
    providers: Sequence[Mapping[str, Any]],
    *,
    models: Sequence[str | Mapping[str, Any]] = ("main",),
    limits: Mapping[str, Any] | None = None,
    routing: Mapping[str, Any] | None = None,
    slots: int = 64,
    **fields: Any,
) -> ModelRouteSpec:
    """A route's spec; a model is a name or a mapping with `type` and `aliases`. `fields` are further ones of it."""
    return msgspec.convert(
        {
            "models": [{"name": model} if isinstance(model, str) else model for model in models],
            "providers": providers,
            "limits": limits or {},
            "routing": routing or {},
            "scaling": {"concurrencyPerReplica": slots},
            **fields,
        },
        ModelRouteSpec,
    )


def chat(text: str = "hi", **fields: Any) -> dict[str, Any]:
    """Body for `/api/chat` and, with `model`, for `/v1/chat/completions`."""
    return {"messages": [{"role": "user", "content": text}], **fields}


def completion(text: str = "hi", **fields: Any) -> dict[str, Any]:
    """Body for `/v1/chat/completions` of model "main"."""
    return chat(text, model="main", **fields)
