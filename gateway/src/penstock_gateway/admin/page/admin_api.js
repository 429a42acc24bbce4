// The admin API of this origin, with the token of this tab. A 401 opens the dialog, and the request is sent again.

export class RequestFailed extends Error {}

export class AdminApi {
  constructor(token) {
    this.token = token
  }

  async json(path, query = {}) {
    return (await this.#get(path, query)).json()
  }

  // Stores the response as a file of this name.
  async download(path, query, name) {
    const url = URL.createObjectURL(await (await this.#get(path, query)).blob())
    const link = Object.assign(document.createElement('a'), { href: url, download: name })
    link.click()
    setTimeout(() => URL.revokeObjectURL(url), 10_000)
  }

  async #get(path, query) {
    for (let message = ''; ; ) {
      const sent = this.token.current ?? (await this.token.ask(message))
      const response = await this.#send(path, query, sent)
      if (response.ok) return response
      const error = await errorOf(response)
      if (response.status !== 401) throw new RequestFailed(error)
      message = error
      this.token.reject(sent)
    }
  }

  async #send(path, query, token) {
    const search = new URLSearchParams(query)
    try {
      return await fetch(`admin/${path}${search.size ? `?${search}` : ''}`, {
        headers: { authorization: `Bearer ${token}` },
        cache: 'no-store',
      })
    } catch {
      throw new RequestFailed('the gateway does not answer')
    }
  }
}

async function errorOf(response) {
  try {
    return (await response.json()).error.message
  } catch {
    return `the gateway answered with status ${response.status}`
  }
}
