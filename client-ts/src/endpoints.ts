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
