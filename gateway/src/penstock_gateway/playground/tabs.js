// The tabs at the top, by the keys of the ARIA practices: arrows move, the place in the address survives a reload.

export function tabs(list) {
  const all = [...list.querySelectorAll('[role=tab]')]

  function show(chosen) {
    for (const tab of all) {
      tab.setAttribute('aria-selected', String(tab === chosen))
      tab.tabIndex = tab === chosen ? 0 : -1
      document.getElementById(tab.getAttribute('aria-controls')).hidden = tab !== chosen
    }
  }

  function choose(chosen) {
    show(chosen)
    history.replaceState(null, '', `#${chosen.dataset.tab}`)
  }

  for (const [index, tab] of all.entries()) {
    tab.addEventListener('click', () => choose(tab))
    tab.addEventListener('keydown', (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
      if (!step) return
      const next = all[(index + step + all.length) % all.length]
      choose(next)
      next.focus()
    })
  }
  show(all.find((tab) => `#${tab.dataset.tab}` === location.hash) ?? all[0])
}
