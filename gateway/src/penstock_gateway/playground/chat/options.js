// The options of a request: system prompt, sampling, reasoning, tools. Kept in sessionStorage as they were written.

const STORED = 'penstock.options'

export class Options {
  constructor(form) {
    this.form = form
    const stored = JSON.parse(sessionStorage.getItem(STORED) ?? '{}')
    for (const [name, value] of Object.entries(stored)) if (form.elements[name]) form.elements[name].value = value
    form.addEventListener('input', () => this.#changed())
    form.addEventListener('submit', (event) => event.preventDefault())
    this.#changed()
  }

  get isValid() {
    return this.form.checkValidity()
  }

  // As plain data, with null and '' for what is not set.
  read() {
    const { system, temperature, maxTokens, reasoningEffort, tools } = this.form.elements
    return {
      system: system.value.trim(),
      temperature: numberOf(temperature),
      maxTokens: numberOf(maxTokens),
      reasoningEffort: reasoningEffort.value,
      tools: tools.value.trim() ? JSON.parse(tools.value) : null,
    }
  }

  #changed() {
    const { tools } = this.form.elements
    tools.setCustomValidity(problemOf(tools.value))
    this.form.querySelector('[data-problem]').textContent = tools.validationMessage
    sessionStorage.setItem(STORED, JSON.stringify(Object.fromEntries(new FormData(this.form))))
  }
}

function numberOf(input) {
  return input.value === '' ? null : Number(input.value)
}

function problemOf(text) {
  if (!text.trim()) return ''
  try {
    return Array.isArray(JSON.parse(text)) ? '' : 'Write a JSON array of tools.'
  } catch (error) {
    return `This is not JSON: ${error.message}`
  }
}
