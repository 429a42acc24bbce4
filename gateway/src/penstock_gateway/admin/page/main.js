// Starts the page: theme, token, tabs, and the reading of the fleet while its tab is shown.

import { AdminApi, RequestFailed } from './admin_api.js'
import { FleetView } from './fleet_view.js'
import { tabs } from './tabs.js'
import { themeButton } from '../theme/theme_button.js'
import { Token } from './token.js'
import { UsageView } from './usage_view.js'

const INTERVAL_MS = 2000

const byId = (id) => document.getElementById(id)
const api = new AdminApi(new Token(byId('token'), byId('forget')))
const fleet = new FleetView(byId)
const usage = new UsageView(byId, api)
const live = byId('live')
let shown = ''
let timer = 0

async function read() {
  clearTimeout(timer)
  if (shown !== 'routes' || document.hidden) return
  try {
    fleet.show(await api.json('fleet'))
    live.textContent = 'live'
    live.dataset.state = 'live'
  } catch (error) {
    if (!(error instanceof RequestFailed)) throw error
    fleet.failed(error.message)
    live.textContent = 'no answer'
    live.dataset.state = 'failed'
  } finally {
    clearTimeout(timer)
    timer = setTimeout(read, INTERVAL_MS)
  }
}

themeButton(byId('theme'))
document.addEventListener('visibilitychange', read)
tabs(document.querySelector('[role=tablist]'), (tab) => {
  shown = tab
  byId('problems').hidden = tab !== 'routes'
  live.hidden = tab !== 'routes'
  if (tab === 'routes') read()
  else usage.open()
})
