"""The meaning of providers' errors: one table of the names and wordings that the servers in use send.

Data only. A name is the value of a `code`, `type`, `status`, `reason` or exception field; it is compared without case,
punctuation and the suffixes `error` and `exception`. A wording is a part of the message; ` … ` stands for any text.
The rows are ordered: where several fit, the first one counts, because it is the more exact statement.
Sources: the vendors' error references, SDKs and bug reports that docs/reference/errors.md lists.
"""

from penstock_worker.providers.failure.error_pattern import (
    CONTEXT,
    MODEL,
    POLICY,
    QUOTA,
    RATE,
    REJECTED,
    UNSUPPORTED,
    ErrorPattern,
)
from penstock_worker.providers.failure.service_error_table import SERVICE_ERRORS

ERROR_TABLE: tuple[ErrorPattern, ...] = (
    # Gemini writes "exceeded your current quota" for a per-minute quota too: its names precede OpenAI's wording.
    ErrorPattern(QUOTA, "Gemini", ("quota per day",)),
    ErrorPattern(RATE, "Gemini", ("RESOURCE_EXHAUSTED",)),
    # The account is empty: no later try helps until it is paid for.
    ErrorPattern(QUOTA, "OpenAI", ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")),
    ErrorPattern(
        QUOTA,
        "OpenAI",
        (),
        ("billing hard limit has been reached", "exceeded your current quota", "your account is not active"),
    ),
    ErrorPattern(
        QUOTA, "Anthropic", ("billing_error",), ("credit balance is too low", "reached your specified … usage limit")
    ),
    ErrorPattern(QUOTA, "Bedrock", ("ServiceQuotaExceededException",)),
    ErrorPattern(QUOTA, "OpenRouter", (), ("insufficient credits", "requires more credits", "key limit exceeded")),
    ErrorPattern(
        QUOTA, "DeepSeek", ("insufficient_balance",), ("insufficient balance", "insufficient account balance")
    ),
    ErrorPattern(QUOTA, "xAI", (), ("used all available credits", "monthly spending limit")),
    ErrorPattern(QUOTA, "Together", ("credit_limit", "credit_limit_exceeded"), ("credit limit exceeded",)),
    ErrorPattern(QUOTA, "Moonshot", ("exceeded_current_quota_error",)),
    ErrorPattern(QUOTA, "Zhipu", (), ("余额不足",)),
    ErrorPattern(QUOTA, "Cloudflare", ("cloudflare 3036", "cloudflare 4006"), ("daily free allocation",)),
    ErrorPattern(QUOTA, "Hugging Face", (), ("exceeded your monthly included credits", "monthly usage limit")),
    ErrorPattern(QUOTA, "Fireworks", (), ("account is suspended", "account … suspended")),
    # Longer than the model, or the account, takes in one request.
    ErrorPattern(CONTEXT, "OpenAI", ("context_length_exceeded", "string_above_max_length", "max_tokens_exceeded")),
    ErrorPattern(CONTEXT, "OpenAI", (), ("maximum context length", "context window", "request too large for")),
    ErrorPattern(CONTEXT, "Anthropic", ("request_too_large",), ("prompt is too long", "exceed context limit")),
    ErrorPattern(
        CONTEXT, "Gemini", (), ("input token count … exceeds the maximum", "exceeds the maximum number of tokens")
    ),
    ErrorPattern(
        CONTEXT, "Bedrock", (), ("input is too long", "too many input tokens", "maximum tokens you requested exceeds")
    ),
    ErrorPattern(CONTEXT, "Mistral", ("context_length",), ("too large for model with … maximum context",)),
    ErrorPattern(CONTEXT, "Groq", (), ("reduce the length of the messages",)),
    ErrorPattern(
        CONTEXT, "vLLM", (), ("longer than the maximum model length", "is too long to fit", "reduce the length of the")
    ),
    ErrorPattern(
        CONTEXT, "SGLang", (), ("longer than the model's context length", "exceeds the model's maximum context")
    ),
    ErrorPattern(
        CONTEXT,
        "TGI",
        (),
        ("`inputs` must have less than", "`inputs` tokens + `max_new_tokens` must be", "must have less than … tokens"),
    ),
    ErrorPattern(
        CONTEXT,
        "llama.cpp",
        ("exceed_context_size_error",),
        ("exceeds the available context size", "input is too large to process", "context size has been exceeded"),
    ),
    ErrorPattern(CONTEXT, "LM Studio", (), ("greater than the context length", "exceeds the context length")),
    ErrorPattern(CONTEXT, "Ollama", (), ("input length exceeds", "exceeds maximum context")),
    ErrorPattern(CONTEXT, "xAI", (), ("maximum prompt length",)),
    ErrorPattern(CONTEXT, "Cohere", (), ("too many tokens: … prompt", "too many tokens in the prompt")),
    ErrorPattern(CONTEXT, "Moonshot", (), ("exceeded model token limit",)),
    ErrorPattern(CONTEXT, "DashScope", (), ("range of input length should be",)),
    ErrorPattern(
        CONTEXT, "Cloudflare", ("cloudflare 3006", "cloudflare 5021"), ("exceeded this model context window",)
    ),
    # Refused because of its content.
    ErrorPattern(POLICY, "OpenAI", ("content_policy_violation", "moderation_blocked", "invalid_prompt")),
    ErrorPattern(POLICY, "OpenAI", (), ("rejected as a result of our safety system", "violating our usage policy")),
    ErrorPattern(
        POLICY,
        "Azure",
        ("content_filter", "ResponsibleAIPolicyViolation"),
        ("content management policy", "content filtering policies"),
    ),
    ErrorPattern(POLICY, "Anthropic", (), ("blocked by content filtering policy", "violates our usage policy")),
    ErrorPattern(
        POLICY, "Gemini", ("PROHIBITED_CONTENT", "BLOCKLIST", "SAFETY"), ("blocked due to safety", "prohibited content")
    ),
    ErrorPattern(
        POLICY, "Bedrock", ("guardrail_intervened",), ("blocked by guardrail", "blocked by our content filters")
    ),
    ErrorPattern(POLICY, "OpenRouter", (), ("requires moderation … flagged", "your input was flagged")),
    ErrorPattern(POLICY, "DeepSeek", (), ("content exists risk",)),
    ErrorPattern(POLICY, "DashScope", ("data_inspection_failed",), ("inappropriate content",)),
    ErrorPattern(POLICY, "Moonshot", (), ("considered high risk",)),
    ErrorPattern(POLICY, "xAI", (), ("violates usage guidelines", "safety_check")),
    ErrorPattern(POLICY, "Zhipu", (), ("敏感内容",)),
    # This model or server cannot do it; another one may.
    ErrorPattern(
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
    ErrorPattern(
        UNSUPPORTED, "Ollama, Mistral and others", (), ("doesn't support stream", "streaming not supported"), "stream"
    ),
    ErrorPattern(UNSUPPORTED, "OpenAI", ("unsupported_parameter", "unsupported_value", "unknown_parameter")),
    ErrorPattern(
        UNSUPPORTED,
        "OpenAI",
        ("unsupported_model",),
        ("unsupported parameter", "unsupported value", "unrecognized request argument", "unknown parameter"),
    ),
    ErrorPattern(UNSUPPORTED, "OpenAI", (), ("is only supported by certain models", "not supported with this model")),
    ErrorPattern(UNSUPPORTED, "Azure", ("OperationNotSupported",), ("does not work with the specified model",)),
    ErrorPattern(UNSUPPORTED, "Anthropic", (), ("extra inputs are not permitted", "not supported on this model")),
    ErrorPattern(
        UNSUPPORTED,
        "Gemini",
        ("UNIMPLEMENTED",),
        ("is not enabled for models/", "cannot find field", "does not support the requested response modalities"),
    ),
    ErrorPattern(UNSUPPORTED, "Bedrock", (), ("this model doesn't support", "model does not support")),
    ErrorPattern(
        UNSUPPORTED, "Mistral", ("extra_forbidden",), ("does not support image", "image input is not supported")
    ),
    ErrorPattern(
        UNSUPPORTED,
        "Groq",
        (),
        ("` is not supported with this model", "' is unsupported", "content' : value must be a string"),
    ),
    ErrorPattern(
        UNSUPPORTED, "OpenRouter", (), ("no endpoints found that support", "no endpoints found that can handle")
    ),
    ErrorPattern(UNSUPPORTED, "DeepSeek", (), ("unknown variant `image_url`", "does not support this response_format")),
    ErrorPattern(
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
    ErrorPattern(UNSUPPORTED, "SGLang", (), ("not support image", "not a vision")),
    ErrorPattern(
        UNSUPPORTED, "TGI", (), ("template does not support", "grammar is not supported", "tool … not supported")
    ),
    ErrorPattern(
        UNSUPPORTED,
        "llama.cpp",
        ("not_supported_error",),
        ("input is not supported", "requires --jinja", "does not support embeddings", "does not support tools"),
    ),
    ErrorPattern(
        UNSUPPORTED,
        "Ollama",
        (),
        ("does not support tools", "does not support thinking", "data required for image", "not support vision"),
    ),
    ErrorPattern(
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
    ErrorPattern(
        MODEL,
        "OpenAI",
        ("model_not_found",),
        ("the model … does not exist", "do not have access to model", "not have access to it"),
    ),
    ErrorPattern(MODEL, "Azure", ("DeploymentNotFound", "unknown_model", "ModelNotFound")),
    ErrorPattern(MODEL, "Anthropic, Ollama", ("not_found_error",), ("try pulling it first",)),
    ErrorPattern(MODEL, "Gemini", ("NOT_FOUND",), ("is not found for api version",)),
    ErrorPattern(
        MODEL,
        "Bedrock",
        ("ResourceNotFoundException",),
        ("provided model identifier is invalid", "access to the model with the specified model id"),
    ),
    ErrorPattern(MODEL, "Mistral", ("invalid_model",), ("invalid model:",)),
    ErrorPattern(MODEL, "Groq", ("model_decommissioned", "model_not_active")),
    ErrorPattern(MODEL, "OpenRouter", (), ("not a valid model id", "no endpoints found for")),
    ErrorPattern(MODEL, "DeepSeek", (), ("model not exist",)),
    ErrorPattern(MODEL, "Cloudflare", ("cloudflare 5007", "cloudflare 3042"), ("no such model",)),
    *SERVICE_ERRORS,
    # A request that is wrong in some other way.
    ErrorPattern(
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
