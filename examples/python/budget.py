"""Send requests until a limit of the key is reached, and print the gateway's answer."""

import os

from openai import OpenAI, RateLimitError

client = OpenAI(
    base_url=os.environ.get("PENSTOCK_URL", "http://127.0.0.1:8080") + "/v1",
    api_key=os.environ.get("PENSTOCK_API_KEY", "not-needed-on-loopback"),
    max_retries=0,  # the SDK waits by `retry-after` otherwise
)
for number in range(1, 4):
    try:
        answer = client.chat.completions.with_raw_response.create(
            model=os.environ.get("MODEL", "smollm2"), messages=[{"role": "user", "content": "One word, please."}]
        )
    except RateLimitError as error:
        wait = error.response.headers.get("retry-after")
        print(f"{error.code}: {error.body['message']}" + (f" (again in {wait} s)" if wait else ""))
        break
    left = answer.headers.get("x-ratelimit-remaining-requests", "no limit")
    print(f"{number}: {len(answer.parse().choices[0].message.content or '')} characters, requests left: {left}")
