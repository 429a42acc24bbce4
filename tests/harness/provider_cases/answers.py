"""Odd answers of providers from public bug reports, and what of each the client must get."""

import json
from typing import Any, NamedTuple

from harness.provider_answers import DONE, chunk, data, delta, finish


def call(id_: Any, name: str, arguments: str, index: int = 0, **more: Any) -> dict[str, Any]:
    return {"index": index, "id": id_, "type": "function", "function": {"name": name, "arguments": arguments}, **more}


def event(type_: str, **fields: Any) -> bytes:
    return f"event: {type_}\ndata: {json.dumps({'type': type_, **fields})}\n\n".encode()


def claude(*blocks: tuple[dict[str, Any], list[dict[str, Any]]], reason: str = "end_turn") -> bytes:
    """An Anthropic stream of blocks, each with its start and its deltas."""
    pieces = [event("message_start", message={"usage": {"input_tokens": 5, "output_tokens": 1}})]
    for index, (start, deltas) in enumerate(blocks):
        pieces.append(event("content_block_start", index=index, content_block=start))
        pieces += [event("content_block_delta", index=index, delta=one) for one in deltas]
        pieces.append(event("content_block_stop", index=index))
    pieces.append(event("message_delta", delta={"stop_reason": reason}, usage={"output_tokens": 7}))
    return b"".join((*pieces, event("message_stop")))


def usage(**fields: Any) -> bytes:
    return data({"choices": [], "usage": fields})


class Case(NamedTuple):
    """An answer of a provider, the part that the client must get (`choice` of the completion), and the reason."""

    source: str
    answer: bytes
    message: dict[str, Any]
    finish: str = "stop"
    usage: dict[str, Any] | None = None
    type: str = "OpenAI"
    top: dict[str, Any] | None = None


HI = chunk("Hi")
SIGNATURE = {"google": {"thought_signature": "c2lnLTE="}}
URL_CITATION = {"type": "url_citation", "url_citation": {"url": "https://a.example", "title": "A"}}
TWO_CALLS = {"tool_calls": [("p1", "lookup", {"q": "a"}), ("p2", "lookup", {"q": "b"})]}
ID = "OpenAI's ChatCompletionMessageToolCall: id is a string"
END = finish() + DONE
TOOLS = finish("tool_calls") + DONE

ANSWERED: dict[str, Case] = {
    "1 parallel calls under one index": Case(
        "OpenAI's streaming reference: an id names one call; hermes-agent #62937",
        delta(tool_calls=[call("p1", "lookup", '{"q":"a"}')])
        + delta(tool_calls=[call("p2", "lookup", '{"q":"b"}')])
        + TOOLS,
        TWO_CALLS,
        "tool_calls",
    ),
    "1 parallel calls under one index, in one delta": Case(
        "OpenAI's streaming reference: an id names one call; omnigent PR #28",
        delta(tool_calls=[call("p1", "lookup", '{"q":"a"}'), call("p2", "lookup", '{"q":"b"}')]) + TOOLS,
        TWO_CALLS,
        "tool_calls",
    ),
    "1 parallel calls of other names under one index": Case(
        "OpenAI's streaming reference: an id names one call; gcli2api PR #406",
        delta(tool_calls=[call("p1", "f", "{}")]) + delta(tool_calls=[call("p2", "g", "{}")]) + TOOLS,
        {"tool_calls": [("p1", "f", {}), ("p2", "g", {})]},
        "tool_calls",
    ),
    "2 a thought signature": Case(
        "Google's page on thought signatures, OpenAI compatibility; openclaude #67, opencode #4832",
        delta(tool_calls=[call("p1", "lookup", "{}", extra_content=SIGNATURE)]) + TOOLS,
        {"tool_calls": [("p1", "lookup", {}, SIGNATURE)]},
        "tool_calls",
    ),
    **{
        f"6 a call whose id is {name}": Case(
            f"{ID}; opencode PR #25925, kilocode PR #5816",
            delta(
                tool_calls=[{"index": 0, "type": "function", "function": {"name": "clock", "arguments": "{}"}, **id_}]
            )
            + TOOLS,
            {"tool_calls": [("7" if id_.get("id") == 7 else None, "clock", {})]},
            "tool_calls",
        )
        for name, id_ in {"missing": {}, "empty": {"id": ""}, "null": {"id": None}, "a number": {"id": 7}}.items()
    },
    "6 a call whose id is in its second piece": Case(
        f"{ID}; binaricat/Netcatty #1004",
        delta(tool_calls=[{"index": 0, "function": {"name": "clock", "arguments": ""}}])
        + delta(tool_calls=[{"index": 0, "id": "late", "function": {"arguments": "{}"}}])
        + TOOLS,
        {"tool_calls": [(None, "clock", {})]},
        "tool_calls",
    ),
    "7 a tool without arguments": Case(
        "OpenAI writes {} for a call without arguments; pipecat PR #409",
        claude(
            (
                {"type": "tool_use", "id": "toolu_1", "name": "now", "input": {}},
                [{"type": "input_json_delta", "partial_json": ""}],
            ),
            reason="tool_use",
        ),
        {"tool_calls": [("toolu_1", "now", {})]},
        "tool_calls",
        type="Anthropic",
    ),
    "7 a tool whose input stands at its start": Case(
        "anthropic-sdk-python's accumulator begins with the block's input; anthropic-sdk-python #658",
        claude(({"type": "tool_use", "id": "toolu_1", "name": "now", "input": {"tz": "CET"}}, []), reason="tool_use"),
        {"tool_calls": [("toolu_1", "now", {"tz": "CET"})]},
        "tool_calls",
        type="Anthropic",
    ),
    "8 stop after calls": Case(
        "OpenAI's finish_reason: tool_calls if the model called a tool; opencode #14972",
        delta(tool_calls=[call("p1", "f", "{}")]) + END,
        {"tool_calls": [("p1", "f", {})]},
        "tool_calls",
    ),
    "8 a later, weaker finish": Case(
        "OpenAI's finish_reason: tool_calls if the model called a tool; vercel/workflow #1387",
        delta(tool_calls=[call("p1", "f", "{}")]) + finish("tool_calls") + END,
        {"tool_calls": [("p1", "f", {})]},
        "tool_calls",
    ),
    "8 tool_calls without a call": Case(
        "OpenAI's finish_reason: tool_calls if the model called a tool; mastra PR #14187", HI + TOOLS, {"content": "Hi"}
    ),
    "11 counts as floats": Case(
        "OpenAI's CompletionUsage: integers; easyllm #40, litellm #28024",
        HI + finish() + usage(prompt_tokens=12.0, completion_tokens=3.5, total_tokens=15.5) + DONE,
        {"content": "Hi"},
        usage={"prompt_tokens": 12, "completion_tokens": 4},
    ),
    "11 counts as text": Case(
        "OpenAI's CompletionUsage: integers; opik #4474",
        HI
        + finish()
        + usage(prompt_tokens="12", completion_tokens="3", prompt_tokens_details={"cached_tokens": 0.0})
        + DONE,
        {"content": "Hi"},
        usage={"prompt_tokens": 12, "completion_tokens": 3},
    ),
    "11 an index as a float": Case(
        "OpenAI's ChoiceDeltaToolCall: index is an integer; opik #4474",
        delta(tool_calls=[call("p1", "f", "{}", index=0.0)]) + TOOLS,  # type: ignore[arg-type]
        {"tool_calls": [("p1", "f", {})]},
        "tool_calls",
    ),
    "14 a count inside the choice": Case(
        "Moonshot's API: usage in the last choice; pi #2017, AstrBot #6614",
        HI
        + data(
            {
                "choices": [
                    {
                        "index": 0,
                        "delta": {},
                        "finish_reason": "stop",
                        "usage": {"prompt_tokens": 1336, "completion_tokens": 31, "cached_tokens": 1280},
                    }
                ]
            }
        )
        + DONE,
        {"content": "Hi"},
        usage={"prompt_tokens": 1336, "completion_tokens": 31, "prompt_tokens_details": {"cached_tokens": 1280}},
    ),
    **{
        f"14 cached tokens as {name}": Case(
            "DeepSeek's and Moonshot's API references; bike4mind PR #1089",
            HI + finish() + usage(prompt_tokens=1000, completion_tokens=5, **{name: 800}) + DONE,
            {"content": "Hi"},
            usage={"prompt_tokens": 1000, "prompt_tokens_details": {"cached_tokens": 800}},
        )
        for name in ("cached_tokens", "prompt_cache_hit_tokens")
    },
    "20 thinking in parts": Case(
        "Mistral's API: content parts of type thinking; litellm #16272, vercel/ai PR #8072",
        delta(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "let me see"}]}]) + chunk("4") + END,
        {"content": "4", "reasoning_content": "let me see"},
    ),
    "20 reasoning details": Case(
        "OpenRouter's page on reasoning tokens: send them back unchanged; open-webui #19328",
        delta(content="4", reasoning="hm", reasoning_details=[{"type": "reasoning.encrypted", "data": "b3BhcXVl"}])
        + END,
        {"content": "4", "reasoning_details": [{"type": "reasoning.encrypted", "data": "b3BhcXVl"}]},
    ),
    "27 annotations": Case(
        "OpenAI's ChatCompletionMessage.annotations; vercel/ai #9164",
        delta(content="Hi", annotations=[URL_CITATION]) + END,
        {"content": "Hi", "annotations": [URL_CITATION]},
    ),
    "27 citations beside the choices": Case(
        "Perplexity's API: citations and search_results at the top level; litellm #13777",
        data({"citations": ["https://a.example"], "search_results": [{"url": "https://a.example"}], "choices": []})
        + HI
        + END,
        {"content": "Hi"},
        top={"citations": ["https://a.example"], "search_results": [{"url": "https://a.example"}]},
    ),
    "27 Anthropic's citations": Case(
        "OpenAI's Annotation.url_citation, from Anthropic's citations_delta; litellm #11491",
        claude(
            (
                {"type": "text", "text": ""},
                [
                    {"type": "text_delta", "text": "so"},
                    {
                        "type": "citations_delta",
                        "citation": {"type": "web_search_result_location", "url": "https://a.example", "title": "A"},
                    },
                ],
            )
        ),
        {
            "content": "so",
            "annotations": [
                {
                    "type": "url_citation",
                    "url_citation": {"url": "https://a.example", "title": "A", "start_index": 0, "end_index": 2},
                }
            ],
        },
        type="Anthropic",
    ),
    **{
        f"end an error of {name} beside good choices": Case(
            "OpenAI's chunk has no error: an empty one says nothing",
            data({"error": error, "choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": None}]}) + END,
            {"content": "Hi"},
        )
        for name, error in {"an empty text": "", "an empty object": {}, "null": None}.items()
    },
    "clients 8 tier, fingerprint and prediction tokens": Case(
        "OpenAI's ChatCompletion.service_tier, system_fingerprint and CompletionTokensDetails",
        data(
            {
                "service_tier": "default",
                "system_fingerprint": "fp_abc",
                "choices": [{"index": 0, "delta": {"content": "Hi"}}],
            }
        )
        + finish()
        + usage(prompt_tokens=5, completion_tokens=7, completion_tokens_details={"accepted_prediction_tokens": 4})
        + DONE,
        {"content": "Hi"},
        usage={"completion_tokens": 7, "completion_tokens_details": {"accepted_prediction_tokens": 4}},
        top={"service_tier": "default", "system_fingerprint": "fp_abc"},
    ),
    "clients 8 images": Case(
        "OpenRouter's page on image generation: message.images",
        delta(content="Hi", images=[{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]) + END,
        {"content": "Hi", "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]},
    ),
}
