"""Token counts of the OpenAI dialect as servers write them in practice."""

import pytest
from unit.support.openai_chunks import DONE, HI, STOP, STOPPED, TEXT, assert_events, chunk, data, usage

from penstock_contract.stream.events import Event, UsageReported

COUNTS: dict[str, tuple[bytes, list[Event]]] = {
    # philschmid/easyllm #40, BerriAI/litellm #28024.
    "counts as floats": (
        TEXT + STOP + usage(prompt_tokens=12.0, completion_tokens=3.5, total_tokens=15.5) + DONE,
        [HI, UsageReported(12, 4), STOPPED],
    ),
    "counts as text": (
        TEXT + STOP + usage(prompt_tokens="12", completion_tokens="3") + DONE,
        [HI, UsageReported(12, 3), STOPPED],
    ),
    "a count of zeros": (
        TEXT + STOP + usage(prompt_tokens=0, completion_tokens=0, total_tokens=0) + DONE,
        [HI, STOPPED],
    ),
    "an empty count": (TEXT + STOP + usage() + DONE, [HI, STOPPED]),
    "a negative count": (TEXT + STOP + usage(prompt_tokens=-1_000_000, completion_tokens=5) + DONE, [HI, STOPPED]),
    "a count beyond all bounds": (TEXT + STOP + usage(prompt_tokens=10**30, completion_tokens=5) + DONE, [HI, STOPPED]),
    "a count without output beside text": (
        TEXT + STOP + usage(prompt_tokens=9, completion_tokens=0) + DONE,
        [HI, UsageReported(9, 1, estimated=True), STOPPED],
    ),
    "more cached than input": (
        TEXT + STOP + usage(prompt_tokens=9, completion_tokens=1, prompt_tokens_details={"cached_tokens": 50}) + DONE,
        [HI, UsageReported(9, 1, 9), STOPPED],
    ),
    # earendil-works/pi #2017: Moonshot counts inside the choice.
    "a count inside the choice": (
        TEXT + chunk({}, "stop", usage={"prompt_tokens": 1336, "completion_tokens": 31, "cached_tokens": 1280}) + DONE,
        [HI, UsageReported(1336, 31, 1280), STOPPED],
    ),
    "cached tokens as DeepSeek names them": (
        TEXT
        + STOP
        + usage(prompt_tokens=900, completion_tokens=1, prompt_cache_hit_tokens=800, prompt_cache_miss_tokens=100)
        + DONE,
        [HI, UsageReported(900, 1, 800, 0, 0, b'{"prompt_cache_miss_tokens":100}'), STOPPED],
    ),
    "a count in Anthropic's words": (
        TEXT
        + STOP
        + usage(input_tokens=900, output_tokens=1, cache_read_input_tokens=500, cache_creation_input_tokens=100)
        + DONE,
        [HI, UsageReported(900, 1, 500, 0, 100), STOPPED],
    ),
    "Groq's count": (
        TEXT
        + data(
            {
                "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
                "x_groq": {"usage": {"prompt_tokens": 9, "completion_tokens": 1}},
            }
        )
        + DONE,
        [HI, UsageReported(9, 1), STOPPED],
    ),
    "llama.cpp's timings": (
        TEXT
        + data(
            {
                "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
                "timings": {"prompt_n": 2, "cache_n": 7, "predicted_n": 3},
            }
        )
        + DONE,
        [HI, UsageReported(9, 3, 7), STOPPED],
    ),
    "a count twice, the second of zeros": (
        TEXT + STOP + usage(prompt_tokens=9, completion_tokens=1) + usage(prompt_tokens=0, completion_tokens=0) + DONE,
        [HI, UsageReported(9, 1), STOPPED],
    ),
    "further counts": (
        TEXT
        + STOP
        + usage(
            prompt_tokens=9,
            completion_tokens=7,
            cost=0.25,
            completion_tokens_details={"accepted_prediction_tokens": 4, "reasoning_tokens": 2},
        )
        + DONE,
        [
            HI,
            UsageReported(9, 7, 0, 2, 0, b'{"cost":0.25,"completion_tokens_details":{"accepted_prediction_tokens":4}}'),
            STOPPED,
        ],
    ),
}


@pytest.mark.parametrize(("stream", "events"), COUNTS.values(), ids=COUNTS)
def test_chat_parser_reads_token_counts_in_every_form(stream: bytes, events: list[Event]) -> None:
    assert_events(stream, events)
