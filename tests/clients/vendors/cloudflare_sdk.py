"""Cloudflare's official client reads the scripted Workers AI server of tests/harness/vendors."""

import os

import cloudflare

LLAMA = "@cf/meta/llama-3.1-8b-instruct"
client = cloudflare.Cloudflare(api_token="k", base_url=os.environ["PENSTOCK_URL"], max_retries=0)
messages = [{"role": "user", "content": "hi"}]
answer = client.ai.run(LLAMA, account_id="a", messages=messages)
assert answer["response"] == "Hello from Cloudflare", answer
vectors = client.ai.run(LLAMA, account_id="a", text=["a", "b"])
assert vectors["data"] == [[0.5, 0.0], [0.5, 1.0]], vectors
try:
    client.ai.run("@cf/other", account_id="a", messages=messages)
except cloudflare.BadRequestError as error:
    assert error.errors[0].code == 5007
else:
    raise AssertionError("a model that does not exist was answered for")
print("read")
