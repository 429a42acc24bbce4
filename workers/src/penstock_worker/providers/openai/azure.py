"""Azure OpenAI: OpenAI's dialect at Azure's paths, with the key in the header `api-key`.

The v1 API takes the deployment's name as `model`; its base URL ends in `/openai/v1`, on `*.openai.azure.com` as on the
hosts of Azure AI Foundry. An API with a date (`apiVersion`) has the deployment in the path and the date in the query;
its base URL ends in `/openai`.
"""

from urllib.parse import quote

from penstock_contract.request.operations import Operation
from penstock_contract.route.provider import ProviderSpec
from penstock_worker.providers.adapter import HttpRequest, ResponseParser, authorization
from penstock_worker.providers.openai.adapter import OpenAIAdapter


class AzureOpenAIAdapter:
    provider_name = "azure.ai.openai"
    default_base_url = ""
    """Empty: each resource has an address of its own, and a route without it is invalid."""

    def __init__(self) -> None:
        self._openai = OpenAIAdapter()

    def request(self, operation: Operation, model: str, spec: ProviderSpec, key: str | None) -> HttpRequest:
        plain = self._openai.request(operation, model, spec, None)
        path = plain.path
        if spec.api_version is not None:
            path = f"/deployments/{quote(model, safe='')}{path}?api-version={spec.api_version}"
        headers = {**plain.headers, **authorization(spec, key)}
        return HttpRequest(path, headers, plain.body)

    def parser(self, operation: Operation) -> ResponseParser:
        return self._openai.parser(operation)
