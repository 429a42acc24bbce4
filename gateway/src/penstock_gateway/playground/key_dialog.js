// The API key: entered in a dialog, and kept in sessionStorage, so that it ends with the tab.

const STORED = 'penstock.key'
const NEEDED = 'This gateway needs a key. It stays in this tab and ends with it.'
const MANUAL = "The key of this page's requests. It stays in this tab and ends with it."

export class KeyDialog {
  #answers = []

  // `changed` is called after the key was set or removed by hand.
  constructor(dialog, button, changed) {
    this.dialog = dialog
    this.button = button
    this.input = dialog.querySelector('input')
    this.message = dialog.querySelector('[role=alert]')
    this.reason = dialog.querySelector('[data-reason]')
    this.forget = dialog.querySelector('[data-forget]')
    button.addEventListener('click', async () => {
      if (await this.ask('', MANUAL)) changed()
    })
    dialog.querySelector('form').addEventListener('submit', (event) => {
      event.preventDefault()
      this.#store(this.input.value.trim())
      this.#close(true)
    })
    this.forget.addEventListener('click', () => {
      this.#store('')
      this.#close(true)
    })
    dialog.querySelector('[data-cancel]').addEventListener('click', () => this.#close(false))
    dialog.addEventListener('cancel', () => this.#answer(false))
    this.#show()
  }

  get current() {
    return sessionStorage.getItem(STORED)
  }

  // Requests that fail together share one dialog. Resolves to false if it was left without a key.
  ask(message, reason = NEEDED) {
    this.reason.textContent = reason
    this.message.textContent = message && sentence(message)
    this.input.value = ''
    this.input.setAttribute('aria-invalid', String(message !== ''))
    this.forget.hidden = this.current === null
    if (!this.dialog.open) this.dialog.showModal()
    return new Promise((answer) => this.#answers.push(answer))
  }

  #store(key) {
    if (key) sessionStorage.setItem(STORED, key)
    else sessionStorage.removeItem(STORED)
    this.#show()
  }

  #show() {
    this.button.classList.toggle('set', this.current !== null)
    this.button.title = this.current === null ? 'Set an API key' : 'Change or remove the API key of this tab'
  }

  #close(answered) {
    this.dialog.close()
    this.#answer(answered)
  }

  #answer(answered) {
    for (const answer of this.#answers.splice(0)) answer(answered)
  }
}

function sentence(message) {
  return `${message[0].toUpperCase()}${message.slice(1)}. Enter another key.`
}
