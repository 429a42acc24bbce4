// Compiled with the types that openapi-typescript writes from the gateway's OpenAPI document.
import type { components, paths } from './openapi.js'

type Schemas = components['schemas']
type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function same<A, B>(_: Equal<A, B>): void {}

type Answer<Path extends '/api/generate' | '/v1/chat/completions'> = paths[Path]['post']['responses'][200]
same<Answer<'/api/generate'>['content']['text/event-stream'], Schemas['ChatChunkEvent'][]>(true)
same<Answer<'/v1/chat/completions'>['content']['text/event-stream'], Schemas['ChatCompletionChunkEvent'][]>(true)
same<Answer<'/v1/chat/completions'>['content']['application/json'], Schemas['ChatCompletion']>(true)
same<Answer<'/v1/chat/completions'>['headers']['x-request-id'], string>(true)
same<Answer<'/v1/chat/completions'>['headers']['x-penstock-ignored'], string | undefined>(true)

/** What a program without the client does with an event. */
export function textOf(event: Schemas['ChatChunkEvent']): string {
  const data = JSON.parse(event.data) as Exclude<Schemas['ChatChunkData'], '[DONE]'>
  if ('error' in data) throw new Error(data.error.message)
  if ('cause' in data) return ''
  same<typeof data, Schemas['ChatChunk']>(true)
  return data.text
}

export const request: Schemas['ChatCompletionRequest'] = { model: 'm', messages: [{ role: 'user', content: 'Hi' }] }
// @ts-expect-error a wrong type
request.temperature = 'hot'
