"""Vendors' errors about quota and context length. The sources are named in docs/reference/errors.md."""

from unit.support.vendor_bodies import CONTEXT, QUOTA, anthropic, gemini, openai

LIMIT_ERRORS: list[tuple[str, int, object, str]] = [
    ("OpenAI: no money", 429, openai(type="insufficient_quota", param=None, code="insufficient_quota"), QUOTA),
    ("OpenAI: number as code", 429, {"error": {"code": 429, "type": "insufficient_quota"}}, QUOTA),
    ("OpenAI: hard limit", 400, openai(type="invalid_request_error", code="billing_hard_limit_reached"), QUOTA),
    ("any: 402", 402, b"", QUOTA),
    ("OpenAI: no money, by the message alone", 429, openai("You exceeded your current quota, please check"), QUOTA),
    (
        "Anthropic: no money",
        400,
        anthropic("invalid_request_error", "Your credit balance is too low to access the Anthropic API."),
        QUOTA,
    ),
    ("Anthropic: 402", 402, anthropic("billing_error", "no"), QUOTA),
    (
        "Anthropic: own limit",
        400,
        anthropic("invalid_request_error", "You have reached your specified API usage limits. You will regain access"),
        QUOTA,
    ),
    ("OpenRouter: no money", 402, openai("Insufficient credits. Add more", code=402), QUOTA),
    ("OpenRouter: key's limit", 403, openai("Key limit exceeded (total limit)", code=403), QUOTA),
    (
        "DeepSeek: no money",
        402,
        openai("Insufficient Balance", type="unknown_error", code="invalid_request_error"),
        QUOTA,
    ),
    (
        "xAI: no money",
        429,
        {"code": "Some resource", "error": "Your team x has either used all available credits"},
        QUOTA,
    ),
    ("Moonshot: no money", 429, openai(type="exceeded_current_quota_error"), QUOTA),
    ("Zhipu: no money", 429, openai("余额不足或无可用资源包,请充值。", code="1113"), QUOTA),
    (
        "Cloudflare: free part used up",
        429,
        {"success": False, "errors": [{"code": 3036, "message": "you have used up your daily free allocation"}]},
        QUOTA,
    ),
    ("Bedrock: quota", 400, b'{"__type":"ServiceQuotaExceededException","message":"no"}', QUOTA),
    (
        "Gemini: a day's quota",
        429,
        gemini(
            429, "RESOURCE_EXHAUSTED", "no", {"violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel"}]}
        ),
        QUOTA,
    ),
    ("OpenAI: too long", 400, openai(param="messages", code="context_length_exceeded"), CONTEXT),
    (
        "OpenAI: more than a minute's tokens",
        429,
        openai("Request too large for gpt-4o in organization org-x", code="rate_limit_exceeded"),
        CONTEXT,
    ),
    (
        "vLLM: too long",
        400,
        openai(
            "This model's maximum context length is 4096 tokens …",
            type="BadRequestError",
            param="input_tokens",
            code=400,
        ),
        CONTEXT,
    ),
    (
        "vLLM before 0.9, flat",
        400,
        {
            "object": "error",
            "message": "This model's maximum context length is 8",
            "type": "BadRequestError",
            "code": 400,
        },
        CONTEXT,
    ),
    (
        "Anthropic: too long",
        400,
        anthropic("invalid_request_error", "prompt is too long: 210000 tokens > 200000"),
        CONTEXT,
    ),
    (
        "Anthropic: with the answer too long",
        400,
        anthropic(
            "invalid_request_error", "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000"
        ),
        CONTEXT,
    ),
    ("Anthropic: body", 413, anthropic("request_too_large", "Request exceeds the maximum size"), CONTEXT),
    (
        "Gemini: too long",
        400,
        gemini(
            400, "INVALID_ARGUMENT", "The input token count (1200000) exceeds the maximum number of tokens allowed (1)."
        ),
        CONTEXT,
    ),
    (
        "Gemini: as a list",
        400,
        [gemini(400, "INVALID_ARGUMENT", "The input token count exceeds the maximum number")],
        CONTEXT,
    ),
    ("Bedrock: too long", 400, {"message": "Input is too long for requested model."}, CONTEXT),
    (
        "Mistral: too long",
        400,
        {
            "object": "error",
            "message": "Prompt contains 40000 tokens, too large for model with 32768 maximum context length",
            "type": "invalid_request_error",
            "code": "3051",
        },
        CONTEXT,
    ),
    ("Groq: too long", 400, openai("Please reduce the length of the messages or completion."), CONTEXT),
    (
        "Groq: 413 with a rate limit's code",
        413,
        openai("Request too large", type="tokens", code="rate_limit_exceeded"),
        CONTEXT,
    ),
    (
        "SGLang: too long",
        400,
        {
            "object": "error",
            "message": "The input (5000 tokens) is longer than the model's context length (4096 tokens).",
            "code": 400,
        },
        CONTEXT,
    ),
    (
        "TGI: too long",
        422,
        {
            "error": "Input validation error: `inputs` must have less than 1024 tokens. Given: 2000",
            "error_type": "validation",
        },
        CONTEXT,
    ),
    (
        "llama.cpp: too long",
        400,
        openai("the request exceeds the available context size", code=400, type="exceed_context_size_error", n_ctx=512),
        CONTEXT,
    ),
    ("Ollama: too long", 500, {"error": "the input length exceeds the context length"}, CONTEXT),
    ("OpenRouter: too long", 400, openai("This endpoint's maximum context length is 8192 tokens.", code=400), CONTEXT),
    (
        "OpenRouter: of the provider behind it",
        400,
        openai("Provider returned error", code=400, metadata={"raw": '{"error":{"message":"prompt is too long: 5"}}'}),
        CONTEXT,
    ),
    (
        "xAI: too long",
        400,
        {"error": "This model's maximum prompt length is 131072 but the request contains 5"},
        CONTEXT,
    ),
    (
        "Cohere: too long",
        400,
        {"message": "too many tokens: total number of tokens in the prompt cannot exceed 4081"},
        CONTEXT,
    ),
    ("Fireworks: too long", 400, openai("The prompt is too long: 40000, model maximum context length: 32768"), CONTEXT),
]
"""Provider, status, body, meaning."""
