// Written by `make types` from the Structs of penstock_contract. Do not edit.

/** The last chunk of an answer that was stopped. */
export interface AbortChunk {
  type: 'abort'
  reason?: string | null
}

export interface AnnotationAdded {
  type: 'response.output_text.annotation.added'
  sequence_number: number
  output_index: number
  item_id: string
  content_index: number
  annotation_index: number
  annotation: Record<string, unknown>
}

export interface ArgumentsDelta {
  type: 'response.function_call_arguments.delta'
  sequence_number: number
  output_index: number
  item_id: string
  delta: string
}

export interface ArgumentsDone {
  type: 'response.function_call_arguments.done'
  sequence_number: number
  output_index: number
  item_id: string
  name: string
  arguments: string
}

/** `tool_calls` is left out, not null, when there are none: OpenAI's schema requires it. */
export interface AssistantMessage {
  content: string | null
  refusal: string | null
  role: 'assistant'
  tool_calls?: ToolCall[]
  reasoning_content?: string
  reasoning_details?: Record<string, unknown>[]
  annotations?: Record<string, unknown>[]
  images?: Record<string, unknown>[]
}

/** Cache writes by the lifetime of what was written. */
export interface CacheCreation {
  ephemeral_5m_input_tokens: number
  ephemeral_1h_input_tokens: number
}

/** One event of `/api/chat` and `/api/generate`; the stream ends with `data: [DONE]`. */
export interface ChatChunk {
  text: string
}

export interface ChatCompletion {
  id: string
  created: number
  model: string
  choices: Choice[]
  usage?: CompletionUsage
  object: 'chat.completion'
  system_fingerprint?: string
  service_tier?: string
}

export interface ChatCompletionChunk {
  id: string
  created: number
  model: string
  choices: ChunkChoice[]
  usage?: CompletionUsage | null
  object: 'chat.completion.chunk'
  system_fingerprint?: string
  service_tier?: string
}

/** `POST /v1/chat/completions`, as the OpenAI SDKs send it. */
export interface ChatCompletionRequest {
  max_tokens?: number | null
  temperature?: number | null
  top_p?: number | null
  stop?: string | readonly string[] | null
  seed?: number | null
  frequency_penalty?: number | null
  presence_penalty?: number | null
  logit_bias?: Record<string, number> | null
  tools?: readonly Tool[] | null
  tool_choice?: 'auto' | 'none' | 'required' | NamedToolChoice | null
  parallel_tool_calls?: boolean | null
  response_format?: ResponseFormat | null
  reasoning_effort?: string | null
  verbosity?: string | null
  service_tier?: string | null
  metadata?: Record<string, string> | null
  prompt_cache_key?: string | null
  user?: string | null
  model: string
  messages: readonly Message[]
  stream?: boolean | null
  stream_options?: StreamOptions | null
  max_completion_tokens?: number | null
  n?: number | null
  logprobs?: boolean | null
  top_logprobs?: number | null
}

export interface ChatMessage {
  role: 'assistant' | 'user'
  content: string
}

/** `POST /api/chat`. The answer is always a stream: `stream` may only be true. */
export interface ChatRequest {
  messages: readonly ChatMessage[]
  model?: string | null
  stream?: boolean | null
}

export interface Choice {
  message: AssistantMessage
  finish_reason: 'content_filter' | 'length' | 'stop' | 'tool_calls'
  index: number
  logprobs: null
}

export interface ChunkChoice {
  delta: Delta
  finish_reason: 'content_filter' | 'length' | 'stop' | 'tool_calls' | null
  index: number
  logprobs: null
}

/**
 * `POST /v1/completions`, OpenAI's older API of plain text: the prompt is sent as a chat's one user message.
 *
 * `suffix` and `echo` have no counterpart in a chat, and may only be empty and false.
 */
export interface CompletionRequest {
  model: string
  prompt: string | readonly string[]
  stream?: boolean | null
  stream_options?: StreamOptions | null
  max_tokens?: number | null
  temperature?: number | null
  top_p?: number | null
  stop?: string | readonly string[] | null
  seed?: number | null
  n?: number | null
  best_of?: number | null
  logprobs?: number | null
  frequency_penalty?: number | null
  presence_penalty?: number | null
  logit_bias?: Record<string, number> | null
  user?: string | null
  suffix?: '' | null
  echo?: false | null
}

export interface CompletionTokensDetails {
  reasoning_tokens: number
}

export interface CompletionUsage {
  prompt_tokens: number
  completion_tokens: number
  total_tokens: number
  prompt_tokens_details: PromptTokensDetails
  completion_tokens_details: CompletionTokensDetails
}

export interface ContentPartAdded {
  type: 'response.content_part.added'
  sequence_number: number
  output_index: number
  item_id: string
  content_index: number
  part: OutputText | OutputRefusal | ReasoningText
}

export interface ContentPartDone {
  type: 'response.content_part.done'
  sequence_number: number
  output_index: number
  item_id: string
  content_index: number
  part: OutputText | OutputRefusal | ReasoningText
}

/** `POST /v1/messages/count_tokens`. */
export interface CountTokensRequest {
  model: string
  messages: readonly InputMessage[]
  system?: string | readonly Record<string, unknown>[]
  tools?: readonly Record<string, unknown>[]
  tool_choice?: Record<string, unknown>
  thinking?: Record<string, unknown>
  output_config?: Record<string, unknown>
  cache_control?: Record<string, unknown> | null
}

/** `DELETE /v1/responses/{id}`: nothing of the response is kept. */
export interface DeletedResponse {
  id: string
  object: 'response'
  deleted: true
}

export interface Delta {
  role?: 'assistant'
  content?: string | null
  refusal?: string
  reasoning_content?: string
  tool_calls?: ToolCallChunk[]
  reasoning_details?: Record<string, unknown>[]
  annotations?: Record<string, unknown>[]
  images?: Record<string, unknown>[]
}

/** `POST /api/embed`. */
export interface EmbedRequest {
  text: string
  model?: string | null
}

export interface EmbedResponse {
  embedding: number[]
  dimensions: number
}

/** `embedding` is base64 of little-endian float32 when the request has `encoding_format: base64`. */
export interface EmbeddingObject {
  index: number
  embedding: number[] | string
  object: 'embedding'
}

export interface EmbeddingUsage {
  prompt_tokens: number
  total_tokens: number
}

/** `POST /v1/embeddings`; the OpenAI SDKs request `base64` by default. */
export interface EmbeddingsRequest {
  model: string
  input: string | readonly (string | number | readonly number[])[]
  encoding_format?: 'base64' | 'float'
  dimensions?: number | null
  user?: string | null
}

export interface EmbeddingsResponse {
  data: EmbeddingObject[]
  model: string
  usage: EmbeddingUsage
  object: 'list'
}

/** The one error shape that clients see, in a response body and in a stream. */
export interface ErrorBody {
  error: ErrorObject
}

/** The last chunk of an answer that failed midway. */
export interface ErrorChunk {
  type: 'error'
  errorText: string
}

/** The inside of `ErrorBody`; the four keys that OpenAI's SDKs read. Nested, as a flat one is swallowed. */
export interface ErrorObject {
  message: string
  type: string
  param: string | null
  code: string
}

export interface FileChunk {
  type: 'file'
  url: string
  mediaType: string
}

export interface FinishChunk {
  type: 'finish'
  finishReason: 'content-filter' | 'length' | 'stop' | 'tool-calls'
  messageMetadata?: FinishMetadata | null
}

export interface FinishMetadata {
  usage: UIUsage
}

/** The call of the model has ended. */
export interface FinishStepChunk {
  type: 'finish-step'
}

/** `arguments` is JSON text as the model wrote it, which need not be valid JSON. */
export interface FunctionCall {
  name: string
  arguments: string
}

export interface FunctionCallDelta {
  arguments: string
  name?: string
}

/** `parameters` is a JSON Schema. */
export interface FunctionDefinition {
  name: string
  description?: string | null
  parameters?: Record<string, unknown> | null
  strict?: boolean | null
}

/** `POST /api/generate`. The answer is always a stream: `stream` may only be true. */
export interface GenerateRequest {
  prompt: string
  model?: string | null
  stream?: boolean | null
}

export interface Health {
  status: 'ok'
  runtime: string
}

export interface ImagePart {
  type: 'image_url'
  image_url: ImageUrl
}

/** `url` is https or a `data:` URL. */
export interface ImageUrl {
  url: string
  detail?: string | null
}

export interface IncompleteDetails {
  reason: 'content_filter' | 'max_output_tokens'
}

/** `GET /v1/responses/{id}/input_items`. */
export interface InputItems {
  data: Record<string, unknown>[]
  first_id: string | null
  last_id: string | null
  has_more: boolean
  object: 'list'
}

/** The page of `GET /v1/responses/{id}/input_items`: the items behind the one with the id `after`. */
export interface InputItemsQuery {
  limit?: number
  order?: 'asc' | 'desc'
  after?: string | null
}

/** `content` is a text, or blocks of the types in docs/reference/messages.md. */
export interface InputMessage {
  role: 'assistant' | 'system' | 'user'
  content: string | readonly Record<string, unknown>[]
}

/** Our own estimate, which limits and budgets use: providers count only what they are sent. */
export interface InputTokensCount {
  object: 'response.input_tokens'
  input_tokens: number
}

export interface InputTokensDetails {
  cached_tokens: number
  cache_write_tokens: number
}

export interface JsonSchema {
  name: string
  schema?: Record<string, unknown> | null
  description?: string | null
  strict?: boolean | null
}

/** `refusal` and `reasoning_content` are an assistant's earlier ones: some models require them. */
export interface Message {
  role: 'assistant' | 'developer' | 'system' | 'tool' | 'user'
  content?: string | readonly (TextPart | ImagePart | RefusalPart)[] | null
  name?: string | null
  tool_calls?: readonly ToolCallParam[] | null
  tool_call_id?: string | null
  refusal?: string | null
  reasoning_content?: string | null
}

/** A whole answer. `content` are blocks of type `text`, `thinking`, `tool_use`, or a provider's own. */
export interface MessageResponse {
  id: string
  model: string
  content: Record<string, unknown>[]
  stop_reason: 'end_turn' | 'max_tokens' | 'model_context_window_exceeded' | 'pause_turn' | 'refusal' | 'stop_sequence' | 'tool_use' | null
  usage: MessageUsage
  stop_sequence: string | null
  stop_details: Record<string, unknown> | null
  container: Record<string, unknown> | null
  type: 'message'
  role: 'assistant'
}

/** `input_tokens` is without input that was read from a cache or written to one: their sum is the whole input. */
export interface MessageUsage {
  input_tokens: number
  output_tokens: number
  cache_creation_input_tokens: number
  cache_read_input_tokens: number
  cache_creation: CacheCreation
  output_tokens_details: Record<string, unknown> | null
  server_tool_use: Record<string, unknown> | null
  service_tier: string | null
  inference_geo: string | null
}

/** `POST /v1/messages`, as the Anthropic SDKs send it. */
export interface MessagesRequest {
  model: string
  messages: readonly InputMessage[]
  system?: string | readonly Record<string, unknown>[]
  tools?: readonly Record<string, unknown>[]
  tool_choice?: Record<string, unknown>
  thinking?: Record<string, unknown>
  output_config?: Record<string, unknown>
  cache_control?: Record<string, unknown> | null
  max_tokens: number
  stream?: boolean
  stop_sequences?: readonly string[]
  temperature?: number
  top_p?: number
  top_k?: number
  metadata?: Record<string, unknown>
  service_tier?: string
}

/** `type`, which OpenAI's models lack, is what the model is for. */
export interface Model {
  id: string
  created: number
  owned_by: string
  object: 'model'
  type?: 'chat' | 'embedding'
}

export interface ModelList {
  data: Model[]
  object: 'list'
}

export interface NamedFunction {
  name: string
}

export interface NamedToolChoice {
  function: NamedFunction
  type?: 'function'
}

/** Accepted and named in `x-penstock-ignored`: deltas are never padded. */
export interface ObfuscationOptions {
  include_obfuscation?: boolean | null
}

/** `call_id` is the provider's id of the call, which its result has to repeat. */
export interface OutputFunctionCall {
  type: 'function_call'
  id: string
  call_id: string
  name: string
  arguments: string
  status: 'completed' | 'in_progress' | 'incomplete'
}

export interface OutputItemAdded {
  type: 'response.output_item.added'
  sequence_number: number
  output_index: number
  item: OutputMessage | OutputFunctionCall | OutputReasoning
}

export interface OutputItemDone {
  type: 'response.output_item.done'
  sequence_number: number
  output_index: number
  item: OutputMessage | OutputFunctionCall | OutputReasoning
}

export interface OutputMessage {
  type: 'message'
  id: string
  status: 'completed' | 'in_progress' | 'incomplete'
  content: (OutputText | OutputRefusal)[]
  role: 'assistant'
}

/** `content` is the model's own text, `summary` a summary; a response has one of them. */
export interface OutputReasoning {
  type: 'reasoning'
  id: string
  summary: SummaryText[]
  content?: ReasoningText[]
  encrypted_content?: string
}

export interface OutputRefusal {
  type: 'refusal'
  refusal: string
}

export interface OutputRefusalDelta {
  type: 'response.refusal.delta'
  sequence_number: number
  output_index: number
  item_id: string
  content_index: number
  delta: string
}

export interface OutputRefusalDone {
  type: 'response.refusal.done'
  sequence_number: number
  output_index: number
  item_id: string
  content_index: number
  refusal: string
}

export interface OutputText {
  type: 'output_text'
  text: string
  annotations: Record<string, unknown>[]
  logprobs: Record<string, unknown>[]
}

export interface OutputTextDelta {
  type: 'response.output_text.delta'
  sequence_number: number
  output_index: number
  item_id: string
  content_index: number
  delta: string
  logprobs: Record<string, unknown>[]
}

export interface OutputTextDone {
  type: 'response.output_text.done'
  sequence_number: number
  output_index: number
  item_id: string
  content_index: number
  text: string
  logprobs: Record<string, unknown>[]
}

export interface OutputTokensDetails {
  reasoning_tokens: number
}

/** `cache_write_tokens`, OpenRouter's word, are there when a provider wrote input to its cache. */
export interface PromptTokensDetails {
  cached_tokens: number
  cache_write_tokens?: number
}

/** `position` counts from 1, null if it is not known. */
export interface Queued {
  position: number | null
  cause: string
}

/** A report on a request that waits, before `start`; transient: the page's `onData` gets it, no message has it. */
export interface QueuedChunk {
  type: 'data-queued'
  data: Queued
  transient: true
}

export interface Readiness {
  ready: boolean
  reason: string
}

export interface ReasoningDeltaChunk {
  type: 'reasoning-delta'
  id: string
  delta: string
}

/** `providerMetadata.penstock.reasoningDetails` are signatures, for the next request to the same provider. */
export interface ReasoningEndChunk {
  type: 'reasoning-end'
  id: string
  providerMetadata?: Record<string, Record<string, unknown>> | null
}

/** With a `summary`, reasoning is sent as a summary, else as the model's own text. */
export interface ReasoningSettings {
  effort?: string | null
  summary?: 'auto' | 'concise' | 'detailed' | null
  generate_summary?: 'auto' | 'concise' | 'detailed' | null
}

export interface ReasoningStartChunk {
  type: 'reasoning-start'
  id: string
}

export interface ReasoningText {
  type: 'reasoning_text'
  text: string
}

export interface ReasoningTextDelta {
  type: 'response.reasoning_text.delta'
  sequence_number: number
  output_index: number
  item_id: string
  content_index: number
  delta: string
}

export interface ReasoningTextDone {
  type: 'response.reasoning_text.done'
  sequence_number: number
  output_index: number
  item_id: string
  content_index: number
  text: string
}

export interface RefusalPart {
  type: 'refusal'
  refusal: string
}

export interface ResponseCompleted {
  type: 'response.completed'
  sequence_number: number
  response: ResponseObject
}

export interface ResponseCreated {
  type: 'response.created'
  sequence_number: number
  response: ResponseObject
}

export interface ResponseFailed {
  type: 'response.failed'
  sequence_number: number
  response: ResponseObject
}

/** `code` is one of OpenAI's; the message is the one of docs/reference/errors.md. */
export interface ResponseFailure {
  code: 'invalid_prompt' | 'rate_limit_exceeded' | 'server_error'
  message: string
}

export interface ResponseFormat {
  type: 'json_object' | 'json_schema' | 'text'
  json_schema?: JsonSchema
}

export interface ResponseInProgress {
  type: 'response.in_progress'
  sequence_number: number
  response: ResponseObject
}

export interface ResponseIncomplete {
  type: 'response.incomplete'
  sequence_number: number
  response: ResponseObject
}

/** Settings that the request left out have the API's defaults. `completed_at` is known for whole answers only. */
export interface ResponseObject {
  object: 'response'
  id: string
  created_at: number
  status: 'cancelled' | 'completed' | 'failed' | 'in_progress' | 'incomplete' | 'queued'
  model: string
  output: (OutputMessage | OutputFunctionCall | OutputReasoning)[]
  error: ResponseFailure | null
  incomplete_details: IncompleteDetails | null
  usage: ResponseUsage | null
  completed_at: number | null
  background: boolean
  instructions: string | null
  max_output_tokens: number | null
  max_tool_calls: number | null
  metadata: Record<string, string>
  parallel_tool_calls: boolean
  previous_response_id: string | null
  prompt_cache_key: string | null
  reasoning: Record<string, unknown>
  safety_identifier: string | null
  service_tier: string
  store: boolean
  temperature: number
  text: Record<string, unknown>
  tool_choice: string | Record<string, unknown>
  tools: Record<string, unknown>[]
  top_logprobs: number
  top_p: number
  presence_penalty: number
  frequency_penalty: number
  truncation: 'auto' | 'disabled'
  user: string | null
}

export interface ResponseQueued {
  type: 'response.queued'
  sequence_number: number
  response: ResponseObject
}

/**
 * `POST /v1/responses`, and `…/input_tokens`, which counts its input.
 *
 * Tools are functions; hosted tools, stored prompts and conversations are refused.
 */
export interface ResponseRequest {
  model: string
  input?: string | readonly Record<string, unknown>[] | null
  instructions?: string | null
  stream?: boolean | null
  stream_options?: ObfuscationOptions | null
  tools?: readonly Record<string, unknown>[] | null
  tool_choice?: string | Record<string, unknown> | null
  parallel_tool_calls?: boolean | null
  max_tool_calls?: number | null
  text?: TextSettings | null
  reasoning?: ReasoningSettings | null
  max_output_tokens?: number | null
  temperature?: number | null
  top_p?: number | null
  metadata?: Record<string, string> | null
  truncation?: 'auto' | 'disabled' | null
  include?: readonly string[] | null
  store?: boolean | null
  background?: boolean | null
  previous_response_id?: string | null
  service_tier?: string | null
  user?: string | null
  safety_identifier?: string | null
  prompt_cache_key?: string | null
  prompt_cache_retention?: string | null
}

export type ResponseStreamChunk =
  | ResponseCreated
  | ResponseQueued
  | ResponseInProgress
  | ResponseCompleted
  | ResponseIncomplete
  | ResponseFailed
  | OutputItemAdded
  | OutputItemDone
  | ContentPartAdded
  | ContentPartDone
  | OutputTextDelta
  | OutputTextDone
  | AnnotationAdded
  | OutputRefusalDelta
  | OutputRefusalDone
  | ReasoningTextDelta
  | ReasoningTextDone
  | SummaryPartAdded
  | SummaryTextDelta
  | SummaryTextDone
  | SummaryPartDone
  | ArgumentsDelta
  | ArgumentsDone
  | StreamError

export interface ResponseUsage {
  input_tokens: number
  input_tokens_details: InputTokensDetails
  output_tokens: number
  output_tokens_details: OutputTokensDetails
  total_tokens: number
}

export interface SourceUrlChunk {
  type: 'source-url'
  sourceId: string
  url: string
  title?: string | null
}

/** `messageId` is the id of the message that the answer is, or continues. */
export interface StartChunk {
  type: 'start'
  messageId: string
  messageMetadata: StartMetadata
}

export interface StartMetadata {
  model: string
  requestId: string
}

/** A call of a model begins. */
export interface StartStepChunk {
  type: 'start-step'
}

/** Both forms at once: OpenAI's flat one, and the nested one that its SDKs raise and Open Responses requires. */
export interface StreamError {
  type: 'error'
  sequence_number: number
  code: string
  message: string
  param: string | null
  error: Record<string, unknown>
}

export interface StreamOptions {
  include_usage?: boolean | null
}

export interface SummaryPartAdded {
  type: 'response.reasoning_summary_part.added'
  sequence_number: number
  output_index: number
  item_id: string
  summary_index: number
  part: SummaryText
}

export interface SummaryPartDone {
  type: 'response.reasoning_summary_part.done'
  sequence_number: number
  output_index: number
  item_id: string
  summary_index: number
  part: SummaryText
}

export interface SummaryText {
  type: 'summary_text'
  text: string
}

export interface SummaryTextDelta {
  type: 'response.reasoning_summary_text.delta'
  sequence_number: number
  output_index: number
  item_id: string
  summary_index: number
  delta: string
}

export interface SummaryTextDone {
  type: 'response.reasoning_summary_text.done'
  sequence_number: number
  output_index: number
  item_id: string
  summary_index: number
  text: string
}

/** `finish_reason` is null in a stream until the choice ends. */
export interface TextChoice {
  text: string
  index: number
  logprobs: TextLogprobs | null
  finish_reason: 'content_filter' | 'length' | 'stop' | null
}

/** The answer of `/v1/completions`, and each event of its stream: OpenAI has one shape for both. */
export interface TextCompletion {
  id: string
  created: number
  model: string
  choices: TextChoice[]
  usage?: CompletionUsage | null
  object: 'text_completion'
  system_fingerprint?: string
  service_tier?: string
}

export interface TextDeltaChunk {
  type: 'text-delta'
  id: string
  delta: string
}

export interface TextEndChunk {
  type: 'text-end'
  id: string
}

/** `name` and `schema` belong to `json_schema`. */
export interface TextFormat {
  type: 'json_object' | 'json_schema' | 'text'
  name?: string | null
  schema?: Record<string, unknown> | null
  description?: string | null
  strict?: boolean | null
}

/** Log probabilities by position; `text_offset` counts the characters of the choice's text. */
export interface TextLogprobs {
  tokens: string[]
  token_logprobs: (number | null)[]
  top_logprobs: Record<string, number>[] | null
  text_offset: number[]
}

export interface TextPart {
  type: 'text'
  text: string
}

export interface TextSettings {
  format?: TextFormat | null
  verbosity?: string | null
}

export interface TextStartChunk {
  type: 'text-start'
  id: string
}

export interface TokensCount {
  input_tokens: number
}

export interface Tool {
  function: FunctionDefinition
  type?: 'function'
}

export interface ToolCall {
  id: string
  function: FunctionCall
  type: 'function'
}

export interface ToolCallChunk {
  index: number
  function: FunctionCallDelta
  id?: string
  type?: 'function'
}

export interface ToolCallParam {
  id: string
  function: FunctionCall
  type?: 'function'
}

export interface ToolInputAvailableChunk {
  type: 'tool-input-available'
  toolCallId: string
  toolName: string
  input: unknown
}

export interface ToolInputDeltaChunk {
  type: 'tool-input-delta'
  toolCallId: string
  inputTextDelta: string
}

/** The model's arguments are no JSON; `input` is their text. */
export interface ToolInputErrorChunk {
  type: 'tool-input-error'
  toolCallId: string
  toolName: string
  input: string
  errorText: string
}

export interface ToolInputStartChunk {
  type: 'tool-input-start'
  toolCallId: string
  toolName: string
}

/** The user's answer to a tool that needs an approval. */
export interface UIApproval {
  approved?: boolean | null
  reason?: string | null
}

/**
 * `POST /api/chat` of `useChat`. `id` is the chat's id; further fields are those of a chat completion.
 *
 * `tools` are OpenAI's list, or an object of names with `description` and `parameters` (or `inputSchema`).
 */
export interface UIChatRequest {
  messages: readonly UIMessage[]
  id?: string | null
  trigger?: 'regenerate-message' | 'submit-message' | null
  messageId?: string | null
  model?: string | null
  system?: string | null
  tools?: readonly Record<string, unknown>[] | Record<string, unknown> | null
}

/** A message of the page's conversation. `id` is the page's own. */
export interface UIMessage {
  role: 'assistant' | 'system' | 'user'
  parts: readonly UIPart[]
  id?: string | null
}

/**
 * A part of a message: `text`, `reasoning`, `file`, `tool-<name>`, `dynamic-tool`, `step-start`, `data-<name>`…
 *
 * `input` and `output` keep their bytes: they are JSON of any shape.
 */
export interface UIPart {
  type: string
  text?: string | null
  mediaType?: string | null
  url?: string | null
  filename?: string | null
  toolCallId?: string | null
  toolName?: string | null
  state?: string | null
  input?: unknown
  rawInput?: unknown
  output?: unknown
  errorText?: string | null
  approval?: UIApproval | null
  providerMetadata?: Record<string, unknown> | null
}

/** `LanguageModelUsage` of `ai` 6; the two last names are those of `ai` 5. */
export interface UIUsage {
  inputTokens: number
  inputTokenDetails: UsageInputDetails
  outputTokens: number
  outputTokenDetails: UsageOutputDetails
  totalTokens: number
  reasoningTokens: number
  cachedInputTokens: number
}

export type UiChatChunk =
  | StartChunk
  | StartStepChunk
  | TextStartChunk
  | TextDeltaChunk
  | TextEndChunk
  | ReasoningStartChunk
  | ReasoningDeltaChunk
  | ReasoningEndChunk
  | ToolInputStartChunk
  | ToolInputDeltaChunk
  | ToolInputAvailableChunk
  | ToolInputErrorChunk
  | SourceUrlChunk
  | FileChunk
  | ErrorChunk
  | AbortChunk
  | QueuedChunk
  | FinishStepChunk
  | FinishChunk

export interface UsageInputDetails {
  noCacheTokens: number
  cacheReadTokens: number
  cacheWriteTokens: number
}

export interface UsageOutputDetails {
  textTokens: number
  reasoningTokens: number
}

/** Every error code of the API with its HTTP status; docs/reference/errors.md has the meanings. */
export const errors = {
  invalid_request: { status: 400, retryable: false },
  invalid_api_key: { status: 401, retryable: false },
  origin_not_allowed: { status: 403, retryable: false },
  key_not_found: { status: 404, retryable: false },
  conflict: { status: 409, retryable: true },
  receive_timeout: { status: 408, retryable: true },
  headers_too_large: { status: 431, retryable: false },
  overloaded: { status: 503, retryable: true },
  request_too_large: { status: 413, retryable: false },
  unsupported_content_encoding: { status: 415, retryable: false },
  unsupported_transfer_coding: { status: 501, retryable: false },
  not_found: { status: 404, retryable: false },
  method_not_allowed: { status: 405, retryable: false },
  model_not_found: { status: 404, retryable: false },
  model_not_ready: { status: 503, retryable: true },
  rate_limit_exceeded: { status: 429, retryable: true },
  budget_exhausted: { status: 429, retryable: false },
  queue_full: { status: 429, retryable: true },
  queue_timeout: { status: 503, retryable: true },
  broker_unavailable: { status: 503, retryable: true },
  broker_full: { status: 503, retryable: true },
  gateway_stopping: { status: 503, retryable: true },
  first_token_timeout: { status: 504, retryable: true },
  idle_timeout: { status: 504, retryable: true },
  request_timeout: { status: 504, retryable: false },
  provider_auth_failed: { status: 502, retryable: false },
  provider_model_not_found: { status: 502, retryable: false },
  provider_quota_exhausted: { status: 502, retryable: false },
  provider_rate_limited: { status: 429, retryable: true },
  provider_rejected: { status: 400, retryable: false },
  context_length_exceeded: { status: 400, retryable: false },
  content_policy_violation: { status: 400, retryable: false },
  provider_unavailable: { status: 502, retryable: true },
  provider_stream_broken: { status: 502, retryable: true },
  unsupported_by_provider: { status: 400, retryable: false },
  answer_too_large: { status: 502, retryable: false },
  worker_lost: { status: 502, retryable: true },
  stream_lost: { status: 502, retryable: true },
  cancelled: { status: 499, retryable: false },
  stopped: { status: 499, retryable: false },
  stream_not_found: { status: 404, retryable: false },
  response_not_found: { status: 404, retryable: false },
  slow_client: { status: 499, retryable: false },
  internal_error: { status: 500, retryable: false },
} as const

export type ErrorCode = keyof typeof errors
