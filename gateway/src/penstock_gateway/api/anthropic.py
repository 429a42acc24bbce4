"""The endpoints of Anthropic's dialect: messages and the count of their tokens."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from litestar import Response
from litestar.params import JSONBody

from penstock_contract.anthropic.body import (
    VERSIONS,
    CountTokensBody,
    MessagesBody,
    check_version,
    read_count,
    read_messages,
)
from penstock_contract.anthropic.message_fields import MESSAGES_KNOWN
from penstock_contract.anthropic.responses import ModelInfo, ModelInfoPage, TokensCount
from penstock_contract.catalogue import CatalogueEntry, Resolution
from penstock_contract.endpoints import COUNT_TOKENS, MESSAGES
from penstock_contract.errors import PenstockError
from penstock_contract.request.chat_fields import check_names
from penstock_contract.request.json_body import invalid
from penstock_contract.request.operations import BETAS_MAX
from penstock_contract.stream.descriptor import Rendering
from penstock_gateway.access.request_context import RequestContext
from penstock_gateway.api.dependencies import ApiDependencies
from penstock_gateway.api.endpoint_handler import answers
from penstock_gateway.api.ignored_fields import name_ignored
from penstock_gateway.api.json_request import ClientRequest
from penstock_gateway.api.openapi.operations import ERRORS, MESSAGE_ANSWER, MessagesDocumentation
from penstock_gateway.limits.rate_limit_headers import anthropics
from penstock_gateway.streaming.output.sse_response import EventStream
from penstock_gateway.streaming.renderers.anthropic.collector import MessageCollector
from penstock_gateway.streaming.renderers.anthropic.count_collector import CountCollector
from penstock_gateway.streaming.renderers.anthropic.message_events import MessageEvents
from penstock_gateway.streaming.renderers.anthropic.options import MessageOptions
from penstock_gateway.streaming.renderers.dialects import MESSAGES as DIALECT

VERSION: Final = "anthropic-version"
BETA: Final = "anthropic-beta"
BETA_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
ESTIMATED: Final = b"x-penstock-estimated"
NOT_COUNTED: Final = frozenset(("unsupported_by_provider", "provider_model_not_found"))
"""Failures of a provider that has no endpoint to count tokens."""
PAGE_DEFAULT: Final = 20
PAGE_MAX: Final = 1000


@answers(
    MESSAGES,
    reader=read_messages,
    responses={200: MESSAGE_ANSWER, **ERRORS},
    operation_class=MessagesDocumentation,
)
async def messages(data: JSONBody[MessagesBody], request: ClientRequest, api: ApiDependencies) -> Response[Any]:
    """A message of Anthropic's API, whole or as a stream."""
    try:
        return await _message(data, request, api)
    finally:
        headers = request.context.response_headers
        headers += anthropics(headers, api.clock.unix())


async def _message(data: MessagesBody, request: ClientRequest, api: ApiDependencies) -> Response[Any]:
    context = request.context
    resolution, version, betas = _checked(data, request, api)
    options = MessageOptions.of(data.input_tokens, data.stops, with_thinking=data.with_thinking)
    operation = data.operation(version, betas)
    if data.stream:
        rendering = Rendering(DIALECT, data.model, 0, msgspec.json.encode(options))
        opened = await api.streams.open(resolution, operation, rendering, context, request.scope["headers"])
        _name_ignored(data, betas, resolution, opened.stream.serving.provider, context)
        return EventStream(api.streams, opened)
    collector = MessageCollector(MessageEvents(context.request_id, data.model, options))
    provider = await api.dispatcher.collect(resolution, operation, collector, context)
    _name_ignored(data, betas, resolution, provider, context)
    return Response(collector.message(), media_type="application/json")


@answers(COUNT_TOKENS, reader=read_count, responses=ERRORS)
async def count_tokens(
    data: JSONBody[CountTokensBody], request: ClientRequest, api: ApiDependencies
) -> Response[TokensCount]:
    """The tokens of a message's input: counted by a provider of Anthropic's API, else estimated."""
    context = request.context
    resolution, version, betas = _checked(data, request, api)
    if any(provider.type == "Anthropic" for provider in resolution.entry.spec.providers):
        collector = CountCollector()
        try:
            await api.dispatcher.collect(resolution, data.count(version, betas), collector, context)
        except PenstockError as error:
            if error.code not in NOT_COUNTED:
                raise
        else:
            return Response(TokensCount(collector.count()))
    context.response_headers.append((ESTIMATED, b"input_tokens"))
    return Response(TokensCount(data.input_tokens))


def models_page(models: list[tuple[str, CatalogueEntry]], query: Mapping[str, str]) -> Response[Any]:
    """The models in Anthropic's shape, from `after_id` on or before `before_id`."""
    names = [name for name, _ in models]
    try:
        limit = int(query.get("limit") or PAGE_DEFAULT)
    except ValueError:
        limit = 0
    if not 1 <= limit <= PAGE_MAX:
        raise invalid(f"must be an integer from 1 to {PAGE_MAX}", "limit")
    after, before = query.get("after_id"), query.get("before_id")
    start, stop = 0, len(models)
    if after is not None:
        start = names.index(after) + 1 if after in names else stop
    elif before is not None:
        stop = names.index(before) if before in names else 0
        start = max(0, stop - limit)
    shown = models[start:stop][:limit]
    more = start > 0 if before is not None and after is None else start + len(shown) < len(models)
    infos = [model_info(name, entry) for name, entry in shown]
    ids = (infos[0].id, infos[-1].id) if infos else (None, None)
    return Response(ModelInfoPage(infos, more, *ids), media_type="application/json")


def model_info(name: str, entry: CatalogueEntry) -> ModelInfo:
    created = datetime.fromtimestamp(entry.created_at, UTC).isoformat().replace("+00:00", "Z")
    return ModelInfo(name, name, created)


def _checked(
    data: MessagesBody, request: ClientRequest, api: ApiDependencies
) -> tuple[Resolution, str, tuple[str, ...]]:
    """The route, the client's version of the API and its betas. Raises for what no provider may be sent."""
    version = request.headers.get(VERSION) or VERSIONS[0]
    check_version(version, data.fields)
    resolution = api.resolve(data.model, "Chat", request.context)
    check_names(data.fields, resolution.entry.spec.providers, known=MESSAGES_KNOWN)
    return resolution, version, _betas(request)


def _betas(request: ClientRequest) -> tuple[str, ...]:
    given = [one.strip() for value in request.headers.getall(BETA, []) for one in value.split(",")]
    betas = tuple(dict.fromkeys(one for one in given if one))
    if len(betas) > BETAS_MAX or not all(map(BETA_NAME.fullmatch, betas)):
        raise invalid(f"must be at most {BETAS_MAX} names of betas, separated by commas", BETA)
    return betas


def _name_ignored(
    data: MessagesBody,
    betas: tuple[str, ...],
    resolution: Resolution,
    provider: str | None,
    context: RequestContext,
) -> None:
    fields = (*data.fields, BETA) if betas else data.fields
    name_ignored(context, fields, resolution, provider, body=data.body, known=MESSAGES_KNOWN)
