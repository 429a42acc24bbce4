// The chat's part of the page: the messages, and the composer below them.

import { copyMenu } from '../copy_menu.js'
import { el } from '../elements.js'
import { CHAT_PATH, STREAM_HEADERS } from '../gateway.js'
import { renderMarkdown } from '../markdown/render.js'
import { AnswerView, progressText } from './answer_view.js'
import { Chat } from './chat.js'
import { Conversation } from './conversation.js'
import { ImagePicker } from './images.js'
import { Options } from './options.js'

const NEAR_END_PX = 120
const FRAME_MS = 100

export class ChatTab {
  #view = null
  #pending = false

  // `announce(text)` is for screen readers, which are not read every token.
  constructor(root, gateway, models, announce) {
    this.root = root
    this.gateway = gateway
    this.models = models
    this.announce = announce
    this.list = root.querySelector('#messages')
    this.welcome = root.querySelector('#welcome')
    this.form = root.querySelector('#composer')
    this.input = root.querySelector('#prompt')
    this.problem = root.querySelector('#composer-problem')
    this.sendButton = root.querySelector('#send')
    this.stopButton = root.querySelector('#stop')
    this.options = new Options(root.querySelector('#options'))
    this.images = new ImagePicker(root.querySelector('#attached'), (text) => this.#showProblem(text))
    this.conversation = new Conversation()
    this.chat = new Chat(gateway, this.conversation, {
      changed: (message) => this.#changed(message),
      ended: (message) => this.#ended(message),
    })
    this.#listen()
    this.#showAll()
  }

  // Reads the answer on that was open when the page was left.
  start() {
    if (this.conversation.isOpen) this.chat.resume(this.conversation.last)
  }

  #listen() {
    this.form.addEventListener('submit', (event) => {
      event.preventDefault()
      this.#submit()
    })
    this.input.addEventListener('keydown', (event) => {
      // While an input method composes a character, Enter ends the character.
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
      event.preventDefault()
      this.#submit()
    })
    if (!CSS.supports('field-sizing', 'content')) this.input.addEventListener('input', () => this.#fit())
    this.root.ownerDocument.addEventListener('keydown', (event) => {
      // A dialog or the options take the key first: it closes them.
      if (event.key === 'Escape' && !document.querySelector('dialog[open], :popover-open')) this.#stop()
    })
    this.stopButton.addEventListener('click', () => this.#stop())
    this.root.querySelector('#new-chat').addEventListener('click', () => this.#clear())
    const files = this.root.querySelector('#files')
    this.root.querySelector('#attach').addEventListener('click', () => files.click())
    files.addEventListener('change', async () => {
      await this.images.add([...files.files])
      files.value = ''
    })
    this.input.addEventListener('paste', (event) => {
      // Text of an office program has a picture of itself beside it.
      const { files: pasted, types } = event.clipboardData
      if (pasted.length && !types.includes('text/plain')) this.images.add([...pasted])
    })
    // Anywhere on the page: a file that is dropped beside the composer would replace the page.
    const page = this.root.ownerDocument
    const holdsFiles = (event) => event.dataTransfer?.types.includes('Files')
    page.addEventListener('dragover', (event) => holdsFiles(event) && event.preventDefault())
    page.addEventListener('drop', (event) => {
      if (!holdsFiles(event)) return
      event.preventDefault()
      if (!this.root.hidden) this.images.add([...event.dataTransfer.files])
    })
    for (const example of this.root.querySelectorAll('[data-example]')) {
      example.addEventListener('click', () => {
        this.input.value = example.textContent
        this.#submit()
      })
    }
  }

  async #submit() {
    await this.images.settled
    const text = this.input.value.trim()
    if (this.conversation.isOpen || (!text && this.images.isEmpty)) return
    if (!this.models.value) return this.#showProblem('Choose a model first. The list is empty while no route is ready.')
    if (!this.options.isValid) return this.#showProblem('Correct the options first.')
    this.#showProblem('')
    this.input.value = ''
    this.input.style.height = ''
    // Tool calls that have no result yet are sent with an empty one.
    if (this.conversation.last?.role === 'assistant') this.conversation.last.answered = true
    this.#view?.update()
    this.conversation.addUser(text, this.images.take())
    this.#append(this.conversation.last)
    this.#begin()
  }

  #begin() {
    const message = this.conversation.addAnswer(this.models.value, this.options.read())
    this.#append(message)
    this.#toEnd()
    this.chat.send(message)
  }

  #stop() {
    if (!this.conversation.isOpen || this.conversation.last.stopping) return
    this.announce('Stopping the answer.')
    this.chat.stop(this.conversation.last)
  }

  #clear() {
    if (this.conversation.isOpen) this.#stop()
    this.conversation.clear()
    this.#showAll()
    this.input.focus()
  }

  #showAll() {
    this.list.replaceChildren()
    this.#view = null
    for (const message of this.conversation.messages) this.#append(message)
    this.#showOpen()
    this.#toEnd()
  }

  #append(message) {
    this.list.append(message.role === 'user' ? userNode(message) : this.#answerNode(message))
    this.#showOpen()
  }

  #answerNode(message) {
    const again = (one) => {
      if (this.conversation.isOpen || one !== this.conversation.last) return
      this.conversation.removeAnswer()
      this.list.lastChild.remove()
      this.#begin()
    }
    const answerTools = (one, results) => {
      one.answer.toolCalls.forEach((call, index) => (call.result = results[index]))
      one.answered = true
      this.#view.update()
      this.#begin()
    }
    const request = (one) => () => ({ path: CHAT_PATH, headers: STREAM_HEADERS, body: this.conversation.bodyOf(one) })
    const copyAs = (one) => copyMenu(request(one), () => this.gateway.keys.current !== null)
    this.#view = new AnswerView(message, { retry: again, answerTools, copyAs })
    return this.#view.element
  }

  // At most one update of the page per frame, and some while the tab is hidden and has no frames.
  #changed(message) {
    if (this.#pending) return
    this.#pending = true
    const show = () => {
      if (!this.#pending) return
      this.#pending = false
      this.#show(message)
    }
    requestAnimationFrame(show)
    setTimeout(show, FRAME_MS)
  }

  #show(message) {
    if (this.#view?.message !== message) return
    const atEnd = document.documentElement.scrollHeight - scrollY - innerHeight < NEAR_END_PX
    this.#view.update()
    if (message.state === 'waiting') this.#announceOnce(progressText(message))
    if (atEnd) this.#toEnd()
  }

  #announceOnce(text) {
    if (this.announced === text) return
    this.announced = text
    this.announce(text)
  }

  #ended(message) {
    this.#show(message)
    this.#showOpen()
    if (message.state === 'done') this.announce(`Answer complete. ${message.answer.text}`)
    if (message.state === 'stopped') this.announce('Answer stopped.')
  }

  #showOpen() {
    const open = this.conversation.isOpen
    this.welcome.hidden = this.conversation.messages.length > 0
    this.stopButton.hidden = !open
    this.sendButton.hidden = open
  }

  // The height of the text, for browsers whose style sheets cannot fit it.
  #fit() {
    this.input.style.height = 'auto'
    this.input.style.height = `${this.input.scrollHeight}px`
  }

  #showProblem(text) {
    this.problem.textContent = text
    this.problem.hidden = !text
  }

  #toEnd() {
    scrollTo({ top: document.documentElement.scrollHeight })
  }
}

function userNode({ text, images }) {
  const pictures = images.map(({ name, url }) => el('img', { src: url, alt: name }))
  return el(
    'li',
    { class: 'user' },
    el('h3', { class: 'hidden' }, 'You'),
    pictures.length > 0 && el('div', { class: 'images' }, pictures),
    text && el('div', { class: 'bubble markdown' }, renderMarkdown(text)),
  )
}
