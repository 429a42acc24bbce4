"""OpenAI's Responses API: create a response, whole or as a stream, and count its input."""

from typing import Any

from litestar import Response
from litestar.params import JSONBody

from penstock_contract.endpoints import RESPONSE, RESPONSE_INPUT_TOKENS
from penstock_contract.openai_responses.body import ResponseBody, read_response
from penstock_contract.openai_responses.names import ignored_name, responses_errors
from penstock_contract.openai_responses.response import InputTokensCount, begun
from penstock_contract.request.chat_fields import check_names
from penstock_gateway.api.dependencies import ApiDependencies
from penstock_gateway.api.documentation import ERRORS, RESPONSE_ANSWER, ResponseOperation
from penstock_gateway.api.endpoint_handler import answers
from penstock_gateway.api.ignored_fields import name_ignored
from penstock_gateway.api.json_request import ClientRequest
from penstock_gateway.streaming.renderers.responses.collector import ResponseCollector
from penstock_gateway.streaming.renderers.responses.stream import ResponseStreamRenderer
from penstock_gateway.streaming.sse_response import EventStream
