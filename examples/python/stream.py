"""Stream an answer with the OpenAI SDK, and print where it came from."""

import os
import sys

from openai import OpenAI

client = OpenAI(
    base_url=os.environ.get("PENSTOCK_URL", "http://127.0.0.1:8080") + "/v1",
    api_key=os.environ.get("PENSTOCK_API_KEY", "not-needed-on-loopback"),
)
prompt = " ".join(sys.argv[1:]) or "Why is the sky blue?"
stream = client.chat.completions.create(
    model=os.environ.get("MODEL", "smollm2"),
    messages=[{"role": "user", "content": prompt}],
    stream=True,
    stream_options={"include_usage": True},
)
for chunk in stream:
    for choice in chunk.choices:
        print(choice.delta.content or "", end="", flush=True)
    if chunk.usage is not None:
        print(f"\n{chunk.usage.prompt_tokens} + {chunk.usage.completion_tokens} tokens")
print(f"request {stream.response.headers['x-request-id']}")
