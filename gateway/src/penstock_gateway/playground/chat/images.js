// The images of the next message: chosen, pasted or dropped, and made small enough for a request.

import { el, icon, ICONS } from '../elements.js'

const TYPES = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp'])
const SIDE_MAX = 1568
const BYTES_MAX = 1_500_000

export class ImagePicker {
  #images = []
  #adding = Promise.resolve()

  // `failed(message)` shows why a file was not taken.
  constructor(list, failed) {
    this.list = list
    this.failed = failed
  }

  get isEmpty() {
    return this.#images.length === 0
  }

  // Resolves once every file that was given so far is in the list.
  get settled() {
    return this.#adding
  }

  add(files) {
    this.#adding = this.#adding.then(() => this.#addAll(files))
    return this.#adding
  }

  async #addAll(files) {
    for (const file of files) {
      if (!TYPES.has(file.type)) {
        this.failed(`${file.name || 'The file'} is not a PNG, JPEG, GIF or WebP image.`)
        continue
      }
      try {
        this.#images.push({ name: file.name || 'image', url: await dataUrl(file) })
      } catch {
        this.failed(`${file.name} cannot be read as an image.`)
      }
    }
    this.#show()
  }

  // Returns the images and removes them.
  take() {
    const images = this.#images
    this.#images = []
    this.#show()
    return images
  }

  #show() {
    this.list.replaceChildren(...this.#images.map((image) => {
      const remove = () => {
        this.#images = this.#images.filter((one) => one !== image)
        this.#show()
      }
      const button = el('button', { type: 'button', class: 'remove', 'aria-label': `Remove ${image.name}`, onclick: remove }, icon(...ICONS.remove))
      return el('li', {}, el('img', { src: image.url, alt: image.name }), button)
    }))
    this.list.hidden = this.isEmpty
  }
}

// The image as a data URL; a large one is scaled down, as models do it anyway.
async function dataUrl(file) {
  const bitmap = await createImageBitmap(file)
  const scale = Math.min(1, SIDE_MAX / Math.max(bitmap.width, bitmap.height))
  if (scale === 1 && file.size <= BYTES_MAX) return read(file)
  const canvas = new OffscreenCanvas(Math.round(bitmap.width * scale), Math.round(bitmap.height * scale))
  const context = canvas.getContext('2d')
  // JPEG has no transparency: without a ground it would become black.
  context.fillStyle = '#ffffff'
  context.fillRect(0, 0, canvas.width, canvas.height)
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height)
  return read(await canvas.convertToBlob({ type: 'image/jpeg', quality: 0.85 }))
}

function read(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader()
    reader.addEventListener('load', () => resolve(reader.result))
    reader.addEventListener('error', () => reject(reader.error))
    reader.readAsDataURL(blob)
  })
}
