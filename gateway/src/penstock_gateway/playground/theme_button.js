// The switch between light and dark. A choice that equals the system's is deleted: the page follows the system again.

const STORED = 'penstock.theme'
const system = matchMedia('(prefers-color-scheme: dark)')

function isDark() {
  const chosen = document.documentElement.dataset.theme
  return chosen ? chosen === 'dark' : system.matches
}

export function themeButton(button) {
  const show = () => {
    button.setAttribute('aria-pressed', String(isDark()))
    button.title = isDark() ? 'Use light colours' : 'Use dark colours'
  }
  button.addEventListener('click', () => {
    const dark = !isDark()
    const chosen = dark === system.matches ? '' : dark ? 'dark' : 'light'
    document.documentElement.dataset.theme = chosen
    if (chosen) localStorage.setItem(STORED, chosen)
    else localStorage.removeItem(STORED)
    show()
  })
  system.addEventListener('change', show)
  show()
}
