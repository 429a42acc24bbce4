// Builds the page's parts and starts them.

import { ChatTab } from './chat/chat_tab.js'
import { EmbeddingsTab } from './embeddings.js'
import { advice } from './failure.js'
import { Gateway } from './gateway.js'
import { KeyDialog } from './key_dialog.js'
import { ModelSelect } from './models.js'
import { tabs } from './tabs.js'
import { themeButton } from './theme_button.js'

const find = (selector) => document.querySelector(selector)
const status = find('#status')
const notice = find('#notice')

function announce(text) {
  status.textContent = text
}

const keys = new KeyDialog(find('#key-dialog'), find('#key'), loadModels)
const gateway = new Gateway(keys)
const selects = [
  new ModelSelect('chat', find('#chat-model'), find('#chat-model-name')),
  new ModelSelect('embedding', find('#embedding-model'), find('#embedding-model-name')),
]
const chat = new ChatTab(find('#chat'), gateway, selects[0], announce)
new EmbeddingsTab(find('#embeddings'), gateway, selects[1], announce)
themeButton(find('#theme'))
tabs(find('[role=tablist]'))
find('#notice button').addEventListener('click', loadModels)

async function loadModels() {
  try {
    const models = await gateway.models()
    for (const select of selects) select.show(models)
    notice.hidden = models.length > 0
    if (!models.length) showNotice('No model is ready for this key.')
  } catch (failure) {
    for (const select of selects) select.show([])
    showNotice(`${failure.message}. ${advice(failure)}`)
  }
}

function showNotice(text) {
  notice.hidden = false
  notice.querySelector('p').textContent = text[0].toUpperCase() + text.slice(1)
}

await loadModels()
chat.start()
find('#prompt').focus({ preventScroll: true })
