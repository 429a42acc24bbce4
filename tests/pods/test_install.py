"""From `helm install` to the first token, as in the README: real pods, a real model, the official SDK."""

import json
from pathlib import Path

import openai
from harness.kubernetes.api import NAMESPACES, Api
from harness.kubernetes.node.installation import Installation

LOCAL = Path(__file__).parents[2] / "examples" / "routes" / "local.yaml"
COMPONENTS = {"gateway", "operator", "nats", "chat-model", "embedding-model"}


async def test_chart_pods_get_ready_in_a_restricted_namespace(release: Installation, api: Api) -> None:
    namespace = await api.get(NAMESPACES.at(name=release.namespace))
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    pods = await release.pods(api)
    assert {pod["metadata"]["labels"]["app.kubernetes.io/component"] for pod in pods} == COMPONENTS
    for pod in pods:
        ready = [one["status"] for one in pod["status"]["conditions"] if one["type"] == "Ready"]
        assert ready == ["True"], pod["metadata"]["name"]
        assert sum(one["restartCount"] for one in pod["status"]["containerStatuses"]) == 0, pod["metadata"]["name"]


async def test_chart_bundled_model_streams_to_the_openai_sdk_through_the_service(release: Installation) -> None:
    await release.apply(LOCAL)
    await release.kubectl("wait", "--for=condition=Ready", "--timeout=120s", "mr/smollm2", "mr/minilm", timeout_s=130)

    base_url = await release.gateway() + "/v1"
    async with openai.AsyncOpenAI(
        base_url=base_url, api_key=await release.secret("first-key"), max_retries=0, timeout=120
    ) as client:
        chunks = [
            chunk
            async for chunk in await client.chat.completions.create(
                model="smollm2",
                messages=[{"role": "user", "content": "Why is the sky blue?"}],
                max_tokens=32,
                stream=True,
                stream_options={"include_usage": True},
            )
        ]
        embedded = await client.embeddings.create(model="minilm", input="Why is the sky blue?")
    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    assert len(pieces) > 5, "the answer came in one piece"
    assert chunks[-1].usage is not None
    assert 5 < chunks[-1].usage.completion_tokens <= 32
    assert len(embedded.data[0].embedding) == 384


async def test_chart_helm_test_streams_an_answer(release: Installation) -> None:
    logged = await release.helm("test", release.name, "--logs", namespace=release.namespace, timeout_s=250)
    assert "Phase:          Succeeded" in logged


async def test_chart_gateway_rejects_a_request_without_a_key(release: Installation) -> None:
    async with await release.client() as client:
        del client.headers["authorization"]
        refused = await client.get("/v1/models")
        assert refused.status_code == 401
        assert json.loads(refused.content)["error"]["code"] == "invalid_api_key"
        assert (await client.get("/health")).status_code == 200
