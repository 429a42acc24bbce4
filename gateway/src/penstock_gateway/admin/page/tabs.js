// Tabs with the keyboard of WAI-ARIA: one is in the tab order, arrows move between them.

export function tabs(list, chosen) {
  const buttons = [...list.querySelectorAll('[role=tab]')]
  const choose = (button, focus = false) => {
    for (const one of buttons) {
      const selected = one === button
      one.setAttribute('aria-selected', String(selected))
      one.tabIndex = selected ? 0 : -1
      document.getElementById(one.dataset.tab).hidden = !selected
    }
    if (focus) button.focus()
    chosen(button.dataset.tab)
  }
  list.addEventListener('click', (event) => {
    const button = event.target.closest('[role=tab]')
    if (button) choose(button)
  })
  list.addEventListener('keydown', (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
    if (!step) return
    event.preventDefault()
    const index = buttons.findIndex((one) => one.getAttribute('aria-selected') === 'true')
    choose(buttons[(index + step + buttons.length) % buttons.length], true)
  })
  choose(buttons.find((one) => location.hash === `#${one.dataset.tab}`) ?? buttons[0])
}
