"""The official Azure client of openai-python reads the scripted Azure server of tests/harness/vendors."""

import os

import openai

messages = [{"role": "user", "content": "hi"}]
base = os.environ["PENSTOCK_URL"]
dated = openai.AzureOpenAI(azure_endpoint=base, api_version="2024-10-21", api_key="k", max_retries=0)
chunks = list(dated.chat.completions.create(model="d", messages=messages, stream=True))
text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
assert text == "Hello from Azure", text
whole = dated.chat.completions.create(model="d", messages=messages)
assert whole.choices[0].message.content == "Hello from Azure"
vectors = dated.embeddings.create(model="d", input=["a", "b"], encoding_format="float")
assert [item.embedding for item in vectors.data] == [[0.5, 0.0], [0.5, 1.0]]
try:
    dated.chat.completions.create(model="other", messages=messages)
except openai.NotFoundError as error:
    assert error.code == "DeploymentNotFound"
else:
    raise AssertionError("a deployment that does not exist was answered for")
print("read")
