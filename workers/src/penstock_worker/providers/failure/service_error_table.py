"""The part of the table of providers' errors that is about the key, the limits and the server, not about the request.

Data only, in the form and order of `error_table`.
"""

from penstock_worker.providers.failure.error_pattern import AUTH, RATE, UNAVAILABLE, ErrorPattern

SERVICE_ERRORS: tuple[ErrorPattern, ...] = (
    # Our key, account or place is refused.
    ErrorPattern(
        AUTH,
        "OpenAI",
        ("invalid_api_key", "account_deactivated", "invalid_organization", "unsupported_country_region_territory"),
        ("incorrect api key", "invalid api key"),
    ),
    ErrorPattern(AUTH, "Azure", ("Unauthorized", "Forbidden", "PermissionDenied"), ("invalid subscription key",)),
    ErrorPattern(
        AUTH,
        "Anthropic",
        ("authentication_error", "permission_error"),
        ("invalid x-api-key", "this organization has been disabled"),
    ),
    ErrorPattern(
        AUTH,
        "Gemini",
        ("API_KEY_INVALID", "API_KEY_SERVICE_BLOCKED", "UNAUTHENTICATED", "PERMISSION_DENIED"),
        ("api key not valid", "api key expired", "user location is not supported"),
    ),
    ErrorPattern(
        AUTH,
        "Bedrock",
        ("AccessDeniedException", "UnrecognizedClientException", "ExpiredTokenException", "InvalidSignatureException"),
        ("security token included in the request is",),
    ),
    ErrorPattern(AUTH, "Groq", ("organization_restricted", "blocked_api_access")),
    ErrorPattern(
        AUTH, "DeepSeek, Moonshot", ("invalid_authentication_error", "authentication_failed"), ("authentication fails",)
    ),
    ErrorPattern(AUTH, "Cloudflare", ("cloudflare 10000", "cloudflare 5016", "cloudflare 5018", "cloudflare 3023")),
    # Too many requests or tokens for now.
    ErrorPattern(RATE, "OpenAI", ("rate_limit_exceeded", "rate_limit", "rate_limited"), ("rate limit reached",)),
    ErrorPattern(RATE, "Azure", ("RateLimitReached", "TooManyRequests"), ("exceeded … rate limit",)),
    ErrorPattern(RATE, "Anthropic", ("rate_limit_error",), ("would exceed … rate limit",)),
    ErrorPattern(RATE, "Bedrock", ("ThrottlingException", "Throttling"), ("please wait before trying again",)),
    ErrorPattern(RATE, "Mistral", ("service_tier_capacity_exceeded",), ("requests rate limit exceeded",)),
    ErrorPattern(RATE, "Moonshot", ("rate_limit_reached_error",), ("too many requests",)),
    # The server, not the request.
    ErrorPattern(
        UNAVAILABLE, "OpenAI", ("server_error", "engine_overloaded_error", "service_unavailable"), ("overloaded",)
    ),
    ErrorPattern(UNAVAILABLE, "Azure", ("InternalServerError", "NoCapacity", "Timeout", "server_is_overloaded")),
    ErrorPattern(UNAVAILABLE, "Anthropic", ("overloaded_error", "api_error", "timeout_error")),
    ErrorPattern(UNAVAILABLE, "Gemini", ("UNAVAILABLE", "INTERNAL", "DEADLINE_EXCEEDED", "ABORTED")),
    ErrorPattern(
        UNAVAILABLE,
        "Bedrock",
        (
            "ServiceUnavailableException",
            "InternalServerException",
            "ModelNotReadyException",
            "ModelTimeoutException",
            "ModelStreamErrorException",
            "ModelErrorException",
        ),
    ),
    ErrorPattern(
        UNAVAILABLE, "Groq", ("capacity_exceeded", "internal_server_error", "over_capacity"), ("over capacity",)
    ),
    ErrorPattern(UNAVAILABLE, "TGI", ("overloaded", "incomplete_generation", "generation"), ("model is overloaded",)),
    ErrorPattern(UNAVAILABLE, "llama.cpp", ("unavailable_error",), ("loading model",)),
    ErrorPattern(UNAVAILABLE, "Hugging Face", (), ("is currently loading",)),
    ErrorPattern(UNAVAILABLE, "Ollama", (), ("server busy", "requires more system memory")),
    ErrorPattern(
        UNAVAILABLE,
        "Cloudflare",
        ("cloudflare 3040", "cloudflare 3007", "cloudflare 3008"),
        ("out of capacity", "capacity temporarily exceeded"),
    ),
)
