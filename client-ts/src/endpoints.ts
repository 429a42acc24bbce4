// Written by `make types` from the Structs of penstock_contract. Do not edit.

import type * as T from './contract.js'
import { answer, stream } from './endpoint.js'

export const endpoints = {
  chat: stream<T.ChatRequest, T.ChatChunk>({
    method: 'POST',
    path: '/api/chat',
    body: true,
  }),
  uiChat: stream<T.UIChatRequest, T.UiChatChunk>({
    method: 'POST',
    path: '/api/chat',
    body: true,
  }),
  generate: stream<T.GenerateRequest, T.ChatChunk>({
    method: 'POST',
    path: '/api/generate',
    body: true,
  }),
  embed: answer<T.EmbedRequest, T.EmbedResponse>({
    method: 'POST',
    path: '/api/embed',
    body: true,
  }),
  chatCompletion: answer<Omit<T.ChatCompletionRequest, 'stream'>, T.ChatCompletion>({
    method: 'POST',
    path: '/v1/chat/completions',
    body: true,
    implied: { stream: false },
  }),
  chatCompletionStream: stream<Omit<T.ChatCompletionRequest, 'stream'>, T.ChatCompletionChunk>({
    method: 'POST',
    path: '/v1/chat/completions',
    body: true,
    implied: { stream: true },
  }),
  messages: answer<Omit<T.MessagesRequest, 'stream'>, T.MessageResponse>({
    method: 'POST',
    path: '/v1/messages',
    body: true,
    implied: { stream: false },
  }),
  countTokens: answer<T.CountTokensRequest, T.TokensCount>({
    method: 'POST',
    path: '/v1/messages/count_tokens',
    body: true,
  }),
  response: answer<Omit<T.ResponseRequest, 'stream'>, T.ResponseObject>({
    method: 'POST',
    path: '/v1/responses',
    body: true,
    implied: { stream: false },
  }),
  responseStream: stream<Omit<T.ResponseRequest, 'stream'>, T.ResponseStreamChunk>({
    method: 'POST',
    path: '/v1/responses',
    body: true,
    implied: { stream: true },
  }),
  responseInputTokens: answer<T.ResponseRequest, T.InputTokensCount>({
    method: 'POST',
    path: '/v1/responses/input_tokens',
    body: true,
  }),
  storedResponse: answer<void, T.ResponseObject, { response_id: string }>({
    method: 'GET',
    path: '/v1/responses/{response_id}',
  }),
  cancelResponse: answer<void, T.ResponseObject, { response_id: string }>({
    method: 'POST',
    path: '/v1/responses/{response_id}/cancel',
  }),
  deleteResponse: answer<void, T.DeletedResponse, { response_id: string }>({
    method: 'DELETE',
    path: '/v1/responses/{response_id}',
  }),
  responseInputItems: answer<T.InputItemsQuery, T.InputItems, { response_id: string }>({
    method: 'GET',
    path: '/v1/responses/{response_id}/input_items',
    query: true,
  }),
  completion: answer<Omit<T.CompletionRequest, 'stream'>, T.TextCompletion>({
    method: 'POST',
    path: '/v1/completions',
    body: true,
    implied: { stream: false },
  }),
  completionStream: stream<Omit<T.CompletionRequest, 'stream'>, T.TextCompletion>({
    method: 'POST',
    path: '/v1/completions',
    body: true,
    implied: { stream: true },
  }),
  embeddings: answer<T.EmbeddingsRequest, T.EmbeddingsResponse>({
    method: 'POST',
    path: '/v1/embeddings',
    body: true,
  }),
  models: answer<void, T.ModelList>({
    method: 'GET',
    path: '/v1/models',
  }),
  health: answer<void, T.Health>({
    method: 'GET',
    path: '/health',
  }),
  ready: answer<void, T.Readiness>({
    method: 'GET',
    path: '/ready',
    statuses: [200, 503],
  }),
} as const

export type Endpoints = typeof endpoints
