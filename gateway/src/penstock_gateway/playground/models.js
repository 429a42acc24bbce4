// The models of the gateway, in the selects of both tabs. The choice is kept in sessionStorage.

import { el } from './elements.js'

const STORED = 'penstock.model.'
const OTHER = '\u0000other'

export class ModelSelect {
  // `type` is chat or embedding; `input` takes a name that no list has, which a wildcard route may serve.
  constructor(type, select, input) {
    this.type = type
    this.select = select
    this.input = input
    select.addEventListener('change', () => this.#changed())
    input.addEventListener('change', () => this.#changed())
  }

  get value() {
    return this.select.value === OTHER ? this.input.value.trim() : this.select.value
  }

  show(models) {
    const names = models.filter((model) => (model.type ?? this.type) === this.type).map((model) => model.id)
    const stored = sessionStorage.getItem(STORED + this.type) ?? ''
    const options = names.map((name) => el('option', { value: name }, name))
    if (!names.length) options.push(el('option', { value: '' }, 'No model is ready'))
    options.push(el('option', { value: OTHER }, 'Another name…'))
    this.select.replaceChildren(...options)
    if (names.includes(stored)) this.select.value = stored
    else if (stored) {
      this.select.value = OTHER
      this.input.value = stored
    }
    this.input.hidden = this.select.value !== OTHER
  }

  #changed() {
    this.input.hidden = this.select.value !== OTHER
    if (!this.input.hidden && !this.input.value) this.input.focus()
    if (this.value) sessionStorage.setItem(STORED + this.type, this.value)
  }
}
