"""The treatment of each field of a chat request at each type of provider: the table behind docs/reference/providers.md.

The gateway refuses what no provider of the route takes, and names in `x-penstock-ignored` what the answering provider
does not have. The workers' adapters do what is written here. Pure.
"""

from collections.abc import Iterable
from typing import Final, Literal

from penstock_contract.anthropic.message_fields import MESSAGES_KNOWN, TO_CHAT
from penstock_contract.errors import PenstockError
from penstock_contract.request.json_body import invalid
from penstock_contract.request.nested_fields import is_openais_own
from penstock_contract.route.provider import ExtraFieldsSpec, ProviderSpec

Treatment = Literal["passed", "translated", "ignored", "refused"]
IGNORED_MAX: Final = 32
"""Names in `x-penstock-ignored`."""

ANTHROPIC: Final[dict[str, Treatment]] = {
    "model": "translated",
    "messages": "translated",
    "stream": "translated",
    "stream_options": "translated",
    "max_tokens": "translated",
    "max_completion_tokens": "translated",
    "temperature": "translated",
    "top_p": "translated",
    "top_k": "passed",
    "stop": "translated",
    "tools": "translated",
    "tool_choice": "translated",
    "parallel_tool_calls": "translated",
    "response_format": "translated",
    "reasoning_effort": "translated",
    "thinking": "passed",
    "cache_control": "passed",
    "output_config": "passed",
    "context_management": "passed",
    "user": "translated",
    "n": "translated",
    "seed": "ignored",
    "metadata": "ignored",
    "service_tier": "ignored",
    "store": "ignored",
    "verbosity": "ignored",
    "safety_identifier": "ignored",
    "prompt_cache_key": "ignored",
    "prompt_cache_retention": "ignored",
    "prediction": "ignored",
    "logit_bias": "ignored",
    "frequency_penalty": "ignored",
    "presence_penalty": "ignored",
    "modalities": "refused",
    "web_search_options": "refused",
    "logprobs": "refused",
    "top_logprobs": "refused",
    "audio": "refused",
    "functions": "refused",
    "function_call": "refused",
}
"""`refused`: with `unsupported_by_provider`, so that a route's next provider is tried."""

REFUSED_BY_ALL: Final = frozenset(("audio", "functions", "function_call"))
DEMANDS: Final = ("n", "logprobs", "top_logprobs")
"""Change the form of the answer: refused unless every provider of the route has them, so that a fallback has them too.
`n` of 1 and `logprobs` of false have no effect."""
DEMANDED_OF: Final = frozenset(("OpenAI", "AzureOpenAI"))
"""Types of providers that have them. Where a server behind `OpenAI` ignores `n`, the client gets its one answer."""
OURS: Final = frozenset(("model", "stream", "stream_options"))
"""Set by the worker whatever the client sent."""
ANTHROPICS_OWN: Final = frozenset(("top_k", "thinking", "cache_control", "output_config", "context_management"))
KNOWN: Final = frozenset(ANTHROPIC)
EMBEDDINGS_KNOWN: Final = frozenset(("model", "input", "dimensions", "encoding_format", "user"))

# fmt: off
STEERING: Final = frozenset((
    "models", "route", "fallbacks", "fallback", "fallback_models", "context_window_fallbacks",
    "content_policy_fallbacks", "model_list", "provider", "providers", "only_providers", "custom_llm_provider",
    "deployment_id", "engine", "preset", "transforms", "plugins", "api_base", "api_base_url", "base_url",
    "base_model", "api_key", "api_keys", "api_version", "api_type", "api_secret", "organization", "organization_id",
    "project", "azure_ad_token", "azure_endpoint", "aws_access_key_id", "aws_secret_access_key",
    "aws_session_token", "aws_region_name", "aws_bedrock_runtime_endpoint", "vertex_project", "vertex_location",
    "vertex_credentials", "user_config", "extra_headers", "extra_body", "extra_query", "headers", "default_headers",
    "proxy", "proxies", "client", "ssl_verify", "mock_response", "mock_tool_calls", "mock_timeout", "timeout",
    "request_timeout", "stream_timeout", "num_retries", "max_retries", "cooldown_time", "router_settings",
    "litellm_params", "litellm_settings", "litellm_metadata", "litellm_call_id", "litellm_credential_name",
    "guardrails", "no-log", "callbacks", "success_callback", "failure_callback", "mcp_servers",
    "kv_transfer_params", "best_of",
))
# fmt: on
"""Choose another model, address, account or number of answers at some provider or gateway: passed only where a route
names them. The list is LiteLLM's, OpenRouter's, Portkey's and vLLM's (`best_of`, `kv_transfer_params`)."""
STEERING_PREFIXES: Final = ("litellm_", "portkey_", "x-portkey-", "helicone-", "cf-aig-")


def treatment(name: str, provider: ProviderSpec, *, known: frozenset[str] = KNOWN) -> Treatment:
    """The treatment of a top-level field at a provider of a route."""
    extra = provider.extra_fields
    if name in extra.allow:
        return "passed"
    if name in provider.drop:
        return "ignored"
    if known is MESSAGES_KNOWN:
        return _of_messages(name, provider)
    if provider.type == "Simulated":
        return "translated" if name in SIMULATED else _extra(name, extra) if name not in known else "ignored"
    anthropic = provider.type == "Anthropic"
    if name in known and not (name in ANTHROPICS_OWN and not anthropic):
        if known is EMBEDDINGS_KNOWN:
            return "translated" if name in {"model", "encoding_format"} else "passed"
        if anthropic:
            return ANTHROPIC.get(name, "refused")
        return "refused" if name in REFUSED_BY_ALL else "translated" if name in OURS else "passed"
    found = _extra(name, extra)
    return "refused" if anthropic and found == "passed" else found


def _of_messages(name: str, provider: ProviderSpec) -> Treatment:
    """The treatment of a field of Anthropic's Messages API."""
    extra = _extra(name, provider.extra_fields)
    if provider.type == "Anthropic":
        if name in MESSAGES_KNOWN:
            return "translated" if name in OURS else "passed"
        return extra
    if name in TO_CHAT:
        if name == "top_k":
            return "refused" if is_openais_own(provider) else extra
        return TO_CHAT[name]
    return "refused" if extra == "passed" else extra


SIMULATED: Final = frozenset(("model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens"))


def _extra(name: str, extra: ExtraFieldsSpec) -> Treatment:
    if steers(name):
        return "refused"
    return {"Pass": "passed", "Drop": "ignored", "Refuse": "refused"}[extra.mode]  # type: ignore[return-value]


def steers(name: str) -> bool:
    folded = name.casefold().replace("-", "_")
    return name.casefold() in STEERING or folded in STEERING or name.casefold().startswith(STEERING_PREFIXES)


def check_names(names: Iterable[str], providers: list[ProviderSpec], *, known: frozenset[str] = KNOWN) -> None:
    """Refuse names that differ from a known one by case only, and what no provider of the route may be sent."""
    for name in names:
        if name in known and name not in ANTHROPICS_OWN and known is not MESSAGES_KNOWN:
            continue
        folded = name.casefold()
        if folded != name and folded in known:
            raise invalid(f"this name differs from {folded!r} by case only", shown(name))
        if all(refusal(name, provider, known=known) is not None for provider in providers):
            error = refusal(name, providers[0], known=known)
            assert error is not None
            raise error


def check_demands(demands: Iterable[str], providers: list[ProviderSpec]) -> None:
    """Refuse what a provider of the route lacks, or is not sent (`drop`): without it the answer would be another."""
    for name in demands:
        lacking = [one for one in providers if one.type not in DEMANDED_OF or name in one.drop]
        if lacking:
            several = "this model's providers give one answer each; send several requests"
            raise PenstockError(
                "unsupported_by_provider",
                f"{name}: {several if name == 'n' else 'a provider of this model does not have it'}",
                param=name,
            )


def refusal(name: str, provider: ProviderSpec, *, known: frozenset[str] = KNOWN) -> PenstockError | None:
    """The reason to refuse a field at a provider; None if it is sent or left out."""
    if treatment(name, provider, known=known) != "refused":
        return None
    param = shown(name)
    if steers(name):
        return invalid("it would steer the provider; a route allows it by extraFields.allow", param)
    if (provider.type == "Anthropic") is (known is MESSAGES_KNOWN):
        # The provider has the request's dialect: the route's own rule refuses the field.
        return invalid("this field is not known, and the route refuses unknown fields (extraFields)", param)
    return PenstockError("unsupported_by_provider", f"{param}: this provider has no such field", param=param)


def ignored(names: Iterable[str], provider: ProviderSpec, *, known: frozenset[str] = KNOWN) -> list[str]:
    """Which of a request's fields the answering provider was not sent."""
    found = [shown(name) for name in names if treatment(name, provider, known=known) == "ignored"]
    return found[:IGNORED_MAX]


def shown(name: str) -> str:
    """A field's name as an error or a header may show it."""
    return ascii(name[:64])[1:-1]
