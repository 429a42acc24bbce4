"""The examples of the OpenAPI document: valid requests, and real answers."""

from typing import Any

_USAGE = {
    "prompt_tokens": 12,
    "completion_tokens": 3,
    "total_tokens": 15,
    "prompt_tokens_details": {"cached_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0},
}
_CHUNK = '"id":"chatcmpl-1","object":"chat.completion.chunk","created":1767225600,"model":"smollm2"'
_RESPONSE: dict[str, Any] = {
    "object": "response",
    "id": "resp_1",
    "created_at": 1767225600,
    "status": "completed",
    "model": "smollm2",
    "output": [
        {
            "type": "message",
            "id": "msg_1_0",
            "status": "completed",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "In Paris.", "annotations": [], "logprobs": []}],
        }
    ],
    "usage": {
        "input_tokens": 12,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 3,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 15,
    },
}
_TEXT = '"id":"cmpl-1","object":"text_completion","created":1767225600,"model":"smollm2"'

EXAMPLES: dict[str, Any] = {
    "ChatRequest": {"messages": [{"role": "user", "content": "Where is the Louvre?"}]},
    "GenerateRequest": {"prompt": "Write one line about rivers."},
    "EmbedRequest": {"text": "A penstock leads water to a turbine."},
    "EmbedResponse": {"embedding": [0.25, -0.5, 0.125], "dimensions": 3},
    "ChatCompletionRequest": {
        "model": "smollm2",
        "messages": [
            {"role": "system", "content": "Answer in one sentence."},
            {"role": "user", "content": "Where is the Louvre?"},
        ],
        "max_tokens": 64,
        "stream": True,
    },
    "ChatCompletion": {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1767225600,
        "model": "smollm2",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "In Paris."}, "finish_reason": "stop"},
        ],
        "usage": _USAGE,
    },
    "MessagesRequest": {
        "model": "smollm2",
        "max_tokens": 64,
        "system": "Answer in one sentence.",
        "messages": [{"role": "user", "content": "Where is the Louvre?"}],
        "stream": True,
    },
    "MessageResponse": {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "smollm2",
        "content": [{"type": "text", "text": "In Paris."}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 12,
            "output_tokens": 3,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
        },
    },
    "CountTokensRequest": {"model": "smollm2", "messages": [{"role": "user", "content": "Where is the Louvre?"}]},
    "TokensCount": {"input_tokens": 12},
    "ResponseRequest": {
        "model": "smollm2",
        "instructions": "Answer in one sentence.",
        "input": "Where is the Louvre?",
        "max_output_tokens": 64,
        "stream": True,
    },
    "ResponseObject": _RESPONSE,
    "InputTokensCount": {"object": "response.input_tokens", "input_tokens": 12},
    "DeletedResponse": {"object": "response", "id": "resp_1", "deleted": True},
    "InputItems": {
        "object": "list",
        "data": [
            {
                "id": "msg_1_in0",
                "type": "message",
                "status": "completed",
                "role": "user",
                "content": [{"type": "input_text", "text": "Where is the Louvre?"}],
            }
        ],
        "first_id": "msg_1_in0",
        "last_id": "msg_1_in0",
        "has_more": False,
    },
    "CompletionRequest": {"model": "smollm2", "prompt": "A penstock is", "max_tokens": 64},
    "TextCompletion": {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": 1767225600,
        "model": "smollm2",
        "choices": [{"index": 0, "text": "a pipe to a turbine.", "logprobs": None, "finish_reason": "stop"}],
        "usage": _USAGE,
    },
    "StoppedStream": {"id": "req_1a2b3c4d5e6f7a8b9c0d1e2f", "object": "stream", "deleted": True},
    "UIChatRequest": {
        "id": "chat-1",
        "trigger": "submit-message",
        "messages": [{"id": "m1", "role": "user", "parts": [{"type": "text", "text": "Where is the Louvre?"}]}],
    },
    "EmbeddingsRequest": {"model": "minilm", "input": ["a kitten", "a cat"], "encoding_format": "float"},
    "EmbeddingsResponse": {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.25, -0.5, 0.125]}],
        "model": "minilm",
        "usage": {"prompt_tokens": 4, "total_tokens": 4},
    },
    "Model": {"id": "smollm2", "object": "model", "created": 1767225600, "owned_by": "default.smollm2"},
    "ModelList": {
        "object": "list",
        "data": [{"id": "smollm2", "object": "model", "created": 1767225600, "owned_by": "default.smollm2"}],
    },
    "ErrorBody": {
        "error": {
            "message": "messages: this field is required",
            "type": "invalid_request_error",
            "param": "messages",
            "code": "invalid_request",
        }
    },
    "MessagesErrorBody": {
        "type": "error",
        "error": {
            "type": "invalid_request_error",
            "message": "max_tokens: this field is required",
            "code": "invalid_request",
            "param": "max_tokens",
        },
        "request_id": "req_1",
    },
}
"""By the name of the schema."""

STREAMS: dict[str, str] = {
    "ResponseCreated": (
        'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","sequence_number":4,'
        '"item_id":"msg_1_0","output_index":0,"content_index":0,"delta":"In Paris.","logprobs":[]}\n\n'
    ),
    "ChatChunk": 'data: {"text":"In "}\n\ndata: {"text":"Paris."}\n\ndata: [DONE]\n\n',
    "StartChunk": (
        'data: {"type":"start","messageId":"msg_1","messageMetadata":{"model":"smollm2","requestId":"req_1"}}\n\n'
        'data: {"type":"start-step"}\n\n'
        'data: {"type":"text-start","id":"text-1"}\n\n'
        'data: {"type":"text-delta","id":"text-1","delta":"In Paris."}\n\n'
        'data: {"type":"text-end","id":"text-1"}\n\n'
        'data: {"type":"finish-step"}\n\n'
        'data: {"type":"finish","finishReason":"stop"}\n\n'
        "data: [DONE]\n\n"
    ),
    "TextCompletion": (
        f'data: {{{_TEXT},"choices":[{{"index":0,"text":"a pipe.","logprobs":null,"finish_reason":null}}]}}\n\n'
        f'data: {{{_TEXT},"choices":[{{"index":0,"text":"","logprobs":null,"finish_reason":"stop"}}]}}\n\n'
        "data: [DONE]\n\n"
    ),
    "ChatCompletionChunk": (
        f'data: {{{_CHUNK},"choices":[{{"index":0,"delta":{{"role":"assistant","content":"In Paris."}},'
        '"finish_reason":null}]}\n\n'
        f'data: {{{_CHUNK},"choices":[{{"index":0,"delta":{{}},"finish_reason":"stop"}}]}}\n\n'
        "data: [DONE]\n\n"
    ),
    "MessageStreamEvent": (
        'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","type":"message",'
        '"role":"assistant","model":"smollm2","content":[],"stop_reason":null,"stop_sequence":null,'
        '"usage":{"input_tokens":12,"output_tokens":0}}}\n\n'
        'event: content_block_start\ndata: {"type":"content_block_start","index":0,'
        '"content_block":{"type":"text","text":""}}\n\n'
        'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
        '"delta":{"type":"text_delta","text":"In Paris."}}\n\n'
        'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'
        'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},'
        '"usage":{"output_tokens":3}}\n\n'
        'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    ),
}
"""Complete streams, by the name of their events' schema."""
