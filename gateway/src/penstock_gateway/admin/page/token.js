// The admin token: from a dialog, or from the fragment of the address that `penstock dev` prints. Kept in
// sessionStorage, so that it ends with the tab. A fragment is sent to no server; it is removed from the address.

const STORED = 'penstock.admin.token'

export class Token {
  #waiting = []

  constructor(dialog, button) {
    this.dialog = dialog
    this.input = dialog.querySelector('input')
    this.message = dialog.querySelector('[role=alert]')
    const given = new URLSearchParams(location.hash.slice(1)).get('token')
    if (given) {
      sessionStorage.setItem(STORED, given)
      history.replaceState(null, '', location.pathname)
    }
    dialog.querySelector('form').addEventListener('submit', (event) => {
      event.preventDefault()
      const token = this.input.value.trim()
      if (!token) return
      sessionStorage.setItem(STORED, token)
      this.input.value = ''
      dialog.close()
      for (const resolve of this.#waiting.splice(0)) resolve(token)
    })
    // Without a token there is nothing to show.
    dialog.addEventListener('cancel', (event) => event.preventDefault())
    button.addEventListener('click', () => {
      sessionStorage.removeItem(STORED)
      location.reload()
    })
  }

  get current() {
    return sessionStorage.getItem(STORED)
  }

  // Requests that wait together share one dialog.
  ask(message) {
    this.message.textContent = message && `${message[0].toUpperCase()}${message.slice(1)}. Enter another token.`
    this.input.setAttribute('aria-invalid', String(message !== ''))
    if (!this.dialog.open) this.dialog.showModal()
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  reject(token) {
    if (this.current === token) sessionStorage.removeItem(STORED)
  }
}
