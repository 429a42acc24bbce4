"""The meaning of providers' errors: one table of the names and wordings that the servers in use send.

Data only. A name is the value of a `code`, `type`, `status`, `reason` or exception field; it is compared without case,
punctuation and the suffixes `error` and `exception`. A wording is a part of the message; ` … ` stands for any text.
The rows are ordered: where several fit, the first one counts, because it is the more exact statement.
Sources: the vendors' error references, SDKs and bug reports that docs/reference/errors.md lists.
"""

from penstock_worker.providers.failure.meaning import (
    AUTH,
    CONTEXT,
    MODEL,
    POLICY,
    QUOTA,
    RATE,
    REJECTED,
    UNAVAILABLE,
    UNSUPPORTED,
    Meaning,
)

MEANINGS: tuple[Meaning, ...] = (
    # Gemini writes "exceeded your current quota" for a per-minute quota too: its names precede OpenAI's wording.
    Meaning(QUOTA, "Gemini", ("quota per day",)),
    Meaning(RATE, "Gemini", ("RESOURCE_EXHAUSTED",)),
    # The account is empty: no later try helps until it is paid for.
    Meaning(QUOTA, "OpenAI", ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")),
    Meaning(
        QUOTA,
        "OpenAI",
        (),
        ("billing hard limit has been reached", "exceeded your current quota", "your account is not active"),
    ),
    Meaning(
        QUOTA, "Anthropic", ("billing_error",), ("credit balance is too low", "reached your specified … usage limit")
    ),
    Meaning(QUOTA, "Bedrock", ("ServiceQuotaExceededException",)),
    Meaning(QUOTA, "OpenRouter", (), ("insufficient credits", "requires more credits", "key limit exceeded")),
    Meaning(QUOTA, "DeepSeek", ("insufficient_balance",), ("insufficient balance", "insufficient account balance")),
    Meaning(QUOTA, "xAI", (), ("used all available credits", "monthly spending limit")),
    Meaning(QUOTA, "Together", ("credit_limit", "credit_limit_exceeded"), ("credit limit exceeded",)),
    Meaning(QUOTA, "Moonshot", ("exceeded_current_quota_error",)),
    Meaning(QUOTA, "Zhipu", (), ("余额不足",)),
    Meaning(QUOTA, "Cloudflare", ("cloudflare 3036", "cloudflare 4006"), ("daily free allocation",)),
    Meaning(QUOTA, "Hugging Face", (), ("exceeded your monthly included credits", "monthly usage limit")),
    Meaning(QUOTA, "Fireworks", (), ("account is suspended", "account … suspended")),
    # Longer than the model, or the account, takes in one request.
    Meaning(CONTEXT, "OpenAI", ("context_length_exceeded", "string_above_max_length", "max_tokens_exceeded")),
    Meaning(CONTEXT, "OpenAI", (), ("maximum context length", "context window", "request too large for")),
    Meaning(CONTEXT, "Anthropic", ("request_too_large",), ("prompt is too long", "exceed context limit")),
    Meaning(CONTEXT, "Gemini", (), ("input token count … exceeds the maximum", "exceeds the maximum number of tokens")),
    Meaning(
        CONTEXT, "Bedrock", (), ("input is too long", "too many input tokens", "maximum tokens you requested exceeds")
    ),
    Meaning(CONTEXT, "Mistral", ("context_length",), ("too large for model with … maximum context",)),
    Meaning(CONTEXT, "Groq", (), ("reduce the length of the messages",)),
    Meaning(
        CONTEXT, "vLLM", (), ("longer than the maximum model length", "is too long to fit", "reduce the length of the")
    ),
    Meaning(CONTEXT, "SGLang", (), ("longer than the model's context length", "exceeds the model's maximum context")),
    Meaning(
        CONTEXT,
        "TGI",
        (),
        ("`inputs` must have less than", "`inputs` tokens + `max_new_tokens` must be", "must have less than … tokens"),
    ),
    Meaning(
        CONTEXT,
        "llama.cpp",
        ("exceed_context_size_error",),
        ("exceeds the available context size", "input is too large to process", "context size has been exceeded"),
    ),
    Meaning(CONTEXT, "LM Studio", (), ("greater than the context length", "exceeds the context length")),
    Meaning(CONTEXT, "Ollama", (), ("input length exceeds", "exceeds maximum context")),
    Meaning(CONTEXT, "xAI", (), ("maximum prompt length",)),
    Meaning(CONTEXT, "Cohere", (), ("too many tokens: … prompt", "too many tokens in the prompt")),
    Meaning(CONTEXT, "Moonshot", (), ("exceeded model token limit",)),
    Meaning(CONTEXT, "DashScope", (), ("range of input length should be",)),
    Meaning(CONTEXT, "Cloudflare", ("cloudflare 3006", "cloudflare 5021"), ("exceeded this model context window",)),
    # Refused because of its content.
    Meaning(POLICY, "OpenAI", ("content_policy_violation", "moderation_blocked", "invalid_prompt")),
    Meaning(POLICY, "OpenAI", (), ("rejected as a result of our safety system", "violating our usage policy")),
    Meaning(
        POLICY,
        "Azure",
        ("content_filter", "ResponsibleAIPolicyViolation"),
        ("content management policy", "content filtering policies"),
    ),
    Meaning(POLICY, "Anthropic", (), ("blocked by content filtering policy", "violates our usage policy")),
    Meaning(
        POLICY, "Gemini", ("PROHIBITED_CONTENT", "BLOCKLIST", "SAFETY"), ("blocked due to safety", "prohibited content")
    ),
    Meaning(POLICY, "Bedrock", ("guardrail_intervened",), ("blocked by guardrail", "blocked by our content filters")),
    Meaning(POLICY, "OpenRouter", (), ("requires moderation … flagged", "your input was flagged")),
    Meaning(POLICY, "DeepSeek", (), ("content exists risk",)),
    Meaning(POLICY, "DashScope", ("data_inspection_failed",), ("inappropriate content",)),
    Meaning(POLICY, "Moonshot", (), ("considered high risk",)),
    Meaning(POLICY, "xAI", (), ("violates usage guidelines", "safety_check")),
    Meaning(POLICY, "Zhipu", (), ("敏感内容",)),
    # This model or server cannot do it; another one may.
    Meaning(
        UNSUPPORTED,
        "OpenAI",
        (),
        (
            "must be verified to stream",
            "does not support stream",
            "streaming is not supported",
            "stream is not supported",
        ),
        param="stream",
    ),
    Meaning(
        UNSUPPORTED, "Ollama, Mistral and others", (), ("doesn't support stream", "streaming not supported"), "stream"
    ),
    Meaning(UNSUPPORTED, "OpenAI", ("unsupported_parameter", "unsupported_value", "unknown_parameter")),
    Meaning(
        UNSUPPORTED,
        "OpenAI",
        ("unsupported_model",),
        ("unsupported parameter", "unsupported value", "unrecognized request argument", "unknown parameter"),
    ),
    Meaning(UNSUPPORTED, "OpenAI", (), ("is only supported by certain models", "not supported with this model")),
    Meaning(UNSUPPORTED, "Azure", ("OperationNotSupported",), ("does not work with the specified model",)),
    Meaning(UNSUPPORTED, "Anthropic", (), ("extra inputs are not permitted", "not supported on this model")),
    Meaning(
        UNSUPPORTED,
        "Gemini",
        ("UNIMPLEMENTED",),
        ("is not enabled for models/", "cannot find field", "does not support the requested response modalities"),
    ),
    Meaning(UNSUPPORTED, "Bedrock", (), ("this model doesn't support", "model does not support")),
    Meaning(UNSUPPORTED, "Mistral", ("extra_forbidden",), ("does not support image", "image input is not supported")),
    Meaning(
        UNSUPPORTED,
        "Groq",
        (),
        ("` is not supported with this model", "' is unsupported", "content' : value must be a string"),
    ),
    Meaning(UNSUPPORTED, "OpenRouter", (), ("no endpoints found that support", "no endpoints found that can handle")),
    Meaning(UNSUPPORTED, "DeepSeek", (), ("unknown variant `image_url`", "does not support this response_format")),
    Meaning(
        UNSUPPORTED,
        "vLLM",
        (),
        (
            "is not a multimodal model",
            "at most 0 image",
            "requires --enable-auto-tool-choice",
            "not support multimodal",
        ),
    ),
    Meaning(UNSUPPORTED, "SGLang", (), ("not support image", "not a vision")),
    Meaning(UNSUPPORTED, "TGI", (), ("template does not support", "grammar is not supported", "tool … not supported")),
    Meaning(
        UNSUPPORTED,
        "llama.cpp",
        ("not_supported_error",),
        ("input is not supported", "requires --jinja", "does not support embeddings", "does not support tools"),
    ),
    Meaning(
        UNSUPPORTED,
        "Ollama",
        (),
        ("does not support tools", "does not support thinking", "data required for image", "not support vision"),
    ),
    Meaning(
        UNSUPPORTED,
        "all",
        (),
        (
            "images are not supported",
            "inputs are not supported",
            "vision is not supported",
            "multimodal is not supported",
            "cannot process image",
            "not supported by this model",
            "not supported for this model",
            "not support function call",
            "unsupported content type",
        ),
    ),
    # No such model.
    Meaning(
        MODEL,
        "OpenAI",
        ("model_not_found",),
        ("the model … does not exist", "do not have access to model", "not have access to it"),
    ),
    Meaning(MODEL, "Azure", ("DeploymentNotFound", "unknown_model", "ModelNotFound")),
    Meaning(MODEL, "Anthropic, Ollama", ("not_found_error",), ("try pulling it first",)),
    Meaning(MODEL, "Gemini", ("NOT_FOUND",), ("is not found for api version",)),
    Meaning(
        MODEL,
        "Bedrock",
        ("ResourceNotFoundException",),
        ("provided model identifier is invalid", "access to the model with the specified model id"),
    ),
    Meaning(MODEL, "Mistral", ("invalid_model",), ("invalid model:",)),
    Meaning(MODEL, "Groq", ("model_decommissioned", "model_not_active")),
    Meaning(MODEL, "OpenRouter", (), ("not a valid model id", "no endpoints found for")),
    Meaning(MODEL, "DeepSeek", (), ("model not exist",)),
    Meaning(MODEL, "Cloudflare", ("cloudflare 5007", "cloudflare 3042"), ("no such model",)),
    # Our key, account or place is refused.
    Meaning(
        AUTH,
        "OpenAI",
        ("invalid_api_key", "account_deactivated", "invalid_organization", "unsupported_country_region_territory"),
        ("incorrect api key", "invalid api key"),
    ),
    Meaning(AUTH, "Azure", ("Unauthorized", "Forbidden", "PermissionDenied"), ("invalid subscription key",)),
    Meaning(
        AUTH,
        "Anthropic",
        ("authentication_error", "permission_error"),
        ("invalid x-api-key", "this organization has been disabled"),
    ),
    Meaning(
        AUTH,
        "Gemini",
        ("API_KEY_INVALID", "API_KEY_SERVICE_BLOCKED", "UNAUTHENTICATED", "PERMISSION_DENIED"),
        ("api key not valid", "api key expired", "user location is not supported"),
    ),
    Meaning(
        AUTH,
        "Bedrock",
        ("AccessDeniedException", "UnrecognizedClientException", "ExpiredTokenException", "InvalidSignatureException"),
        ("security token included in the request is",),
    ),
    Meaning(AUTH, "Groq", ("organization_restricted", "blocked_api_access")),
    Meaning(
        AUTH, "DeepSeek, Moonshot", ("invalid_authentication_error", "authentication_failed"), ("authentication fails",)
    ),
    Meaning(AUTH, "Cloudflare", ("cloudflare 10000", "cloudflare 5016", "cloudflare 5018", "cloudflare 3023")),
    # Too many requests or tokens for now.
    Meaning(RATE, "OpenAI", ("rate_limit_exceeded", "rate_limit", "rate_limited"), ("rate limit reached",)),
    Meaning(RATE, "Azure", ("RateLimitReached", "TooManyRequests"), ("exceeded … rate limit",)),
    Meaning(RATE, "Anthropic", ("rate_limit_error",), ("would exceed … rate limit",)),
    Meaning(RATE, "Bedrock", ("ThrottlingException", "Throttling"), ("please wait before trying again",)),
    Meaning(RATE, "Mistral", ("service_tier_capacity_exceeded",), ("requests rate limit exceeded",)),
    Meaning(RATE, "Moonshot", ("rate_limit_reached_error",), ("too many requests",)),
    # The server, not the request.
    Meaning(UNAVAILABLE, "OpenAI", ("server_error", "engine_overloaded_error", "service_unavailable"), ("overloaded",)),
    Meaning(UNAVAILABLE, "Azure", ("InternalServerError", "NoCapacity", "Timeout", "server_is_overloaded")),
    Meaning(UNAVAILABLE, "Anthropic", ("overloaded_error", "api_error", "timeout_error")),
    Meaning(UNAVAILABLE, "Gemini", ("UNAVAILABLE", "INTERNAL", "DEADLINE_EXCEEDED", "ABORTED")),
    Meaning(
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
    Meaning(UNAVAILABLE, "Groq", ("capacity_exceeded", "internal_server_error", "over_capacity"), ("over capacity",)),
    Meaning(UNAVAILABLE, "TGI", ("overloaded", "incomplete_generation", "generation"), ("model is overloaded",)),
    Meaning(UNAVAILABLE, "llama.cpp", ("unavailable_error",), ("loading model",)),
    Meaning(UNAVAILABLE, "Hugging Face", (), ("is currently loading",)),
    Meaning(UNAVAILABLE, "Ollama", (), ("server busy", "requires more system memory")),
    Meaning(
        UNAVAILABLE,
        "Cloudflare",
        ("cloudflare 3040", "cloudflare 3007", "cloudflare 3008"),
        ("out of capacity", "capacity temporarily exceeded"),
    ),
    # A request that is wrong in some other way.
    Meaning(
        REJECTED,
        "all",
        (
            "invalid_request_error",
            "BadRequestError",
            "bad_request",
            "INVALID_ARGUMENT",
            "FAILED_PRECONDITION",
            "OUT_OF_RANGE",
            "ValidationException",
            "validation_error",
            "validation",
            "invalid_value",
            "invalid_type",
            "invalid_request",
            "UnprocessableEntity",
            "unprocessable_entity",
            "json_parse_error",
            "cloudflare 5004",
            "cloudflare 3003",
        ),
    ),
)
