// What went wrong with a request, and what to do about it. The message is the gateway's; the advice is by its code.

export const ADVICE = {
  invalid_request: 'Change the field that the message names, then send it again.',
  invalid_api_key: 'Set a valid API key with the key button at the top of the page.',
  origin_not_allowed: 'Open the page at localhost or at an IP address, or start the gateway with required keys.',
  receive_timeout: 'The upload was too slow. Send it again, with smaller images if it has any.',
  headers_too_large: 'A header is too large; check the length of the API key.',
  overloaded: 'The gateway has too many connections. Wait a few seconds, then send it again.',
  request_too_large: 'Remove or shrink an image, or shorten the conversation, then send it again.',
  unsupported_content_encoding: 'A proxy compresses the request; send it to the gateway directly.',
  unsupported_transfer_coding: 'A proxy changes the transfer coding; send it to the gateway directly.',
  not_found: 'The gateway at this address does not have the endpoint; its version may be older than this page.',
  method_not_allowed: 'A proxy may have changed the method; send it to the gateway directly.',
  model_not_found: 'Choose another model. The list has the models that this key may use.',
  model_not_ready: 'Wait until the route is ready, then send it again. The message has the reason.',
  rate_limit_exceeded: 'Wait until the limit is free again, or use a key with a higher limit.',
  budget_exhausted: "The key's budget is used up until its next period. Use another key.",
  queue_full: 'Too many requests wait for this model. Wait a few seconds, then send it again.',
  queue_timeout: 'No worker took the request. Check that a worker of this route runs, then send it again.',
  broker_full: 'The message broker has no room for requests. Send it again in a few seconds.',
  broker_unavailable: 'The gateway cannot reach NATS. Send it again in a few seconds.',
  gateway_stopping: 'The gateway restarts. Send it again.',
  first_token_timeout: 'The provider did not begin in time. Send it again, or choose another model.',
  idle_timeout: 'The provider stopped in the middle of the answer. Send it again.',
  request_timeout: 'The answer took longer than the route allows. Limit its length with "Max tokens".',
  provider_auth_failed: "The provider refuses the route's own key. Its administrator must replace it.",
  provider_model_not_found: "The provider does not have this model. Correct the route, or choose another model.",
  provider_quota_exhausted: 'The account with the provider is empty. Top it up, or choose another model.',
  provider_rate_limited: 'The provider limits the rate of requests. Wait, then send it again.',
  provider_rejected: 'Change what the message names, for example an option that this model does not have.',
  context_length_exceeded: 'Begin a new chat, shorten the message, or choose a model with a longer context.',
  content_policy_violation: 'The provider refuses this content. Change the message.',
  provider_unavailable: 'The provider failed, also after retries. Send it again, or choose another model.',
  provider_stream_broken: 'The answer broke off at the provider. Send it again.',
  unsupported_by_provider: 'Remove the option, tool or image that the message names, or choose another model.',
  answer_too_large: 'Request a shorter answer.',
  worker_lost: 'The worker ended in the middle of the answer. Send it again.',
  stream_lost: 'A part of the answer is lost. Send it again.',
  stopped: 'The answer was stopped.',
  stream_not_found: 'The answer is not kept any more. Send the message again.',
  response_not_found: 'The response is not kept any more. Send the message again.',
  internal_error: "This is a defect of the gateway. Its log has the request's id.",
  // Of this page.
  gateway_unreachable: 'Check that the gateway runs and that this machine can reach it, then send it again.',
  connection_lost: 'Send it again.',
  reloaded_early: 'Send it again.',
  no_key: 'Set an API key with the key button at the top of the page.',
}

export class GatewayFailure extends Error {
  constructor(code, message, { status = 0, requestId = null, retryAfterS = null } = {}) {
    super(message)
    this.code = code
    this.status = status
    this.requestId = requestId
    this.retryAfterS = retryAfterS
  }

  // Of a response that is not ok. A proxy's error page has no error object.
  static async of(response) {
    const about = {
      status: response.status,
      requestId: response.headers.get('x-request-id'),
      retryAfterS: Number(response.headers.get('retry-after')) || null,
    }
    const text = await response.text().catch(() => '')
    try {
      const { error } = JSON.parse(text)
      return new GatewayFailure(error.code ?? error.type, error.message, about)
    } catch {
      return new GatewayFailure('unknown', `the answer has the status ${response.status} and no error object`, about)
    }
  }

  // As plain data, for sessionStorage.
  toJSON() {
    const { code, message, status, requestId, retryAfterS } = this
    return { code, message, status, requestId, retryAfterS }
  }
}

// What to do about a failure, in one or two sentences.
export function advice({ code, retryAfterS }) {
  const known = ADVICE[code] ?? 'Send it again. If it fails again, look for the request id in the log of the gateway.'
  return retryAfterS ? `${known} The gateway names ${retryAfterS} s as the wait.` : known
}
