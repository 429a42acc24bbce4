// The decoder against WHATWG HTML §9.2 by example. tests/clients compares it with the Python decoder.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { EventTooLargeError, SseDecoder } from '@penstock/client'

const encoder = new TextEncoder()
const WIRE = 'data: {"text":"Grüß 𝄞"}\n\n: ping\n\nevent: error\nid: 7\ndata: a\ndata: b\n\ndata: [DONE]\n\n'

function decode(pieces, lengthMax) {
  const decoder = new SseDecoder(lengthMax)
  return pieces.flatMap((piece) => decoder.decode(piece))
}

for (const end of ['\n', '\r\n', '\r']) {
  test(`any cut gives the same events, lines ended by ${JSON.stringify(end)}`, () => {
    const bytes = encoder.encode(WIRE.replaceAll('\n', end))
    const whole = decode([bytes])
    assert.deepEqual(whole, [
      { event: 'message', data: '{"text":"Grüß 𝄞"}', id: '' },
      { event: 'error', data: 'a\nb', id: '7' },
      { event: 'message', data: '[DONE]', id: '7' },
    ])
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      assert.deepEqual(decode([bytes.subarray(0, cut), bytes.subarray(cut)]), whole)
    }
    assert.deepEqual(decode([...bytes].map((byte) => Uint8Array.of(byte))), whole)
  })
}

test('an event over the limit is refused, in one read, in many, and in many lines', () => {
  const long = encoder.encode(`data: ${'x'.repeat(94)}\n\n`)
  assert.equal(decode([long], 102).length, 1)
  assert.throws(() => decode([long], 101), EventTooLargeError)
  assert.throws(() => decode([...long].map((byte) => Uint8Array.of(byte)), 99), EventTooLargeError)
  assert.throws(() => decode([encoder.encode('data: x\n'.repeat(20))], 100), EventTooLargeError)
  assert.throws(() => decode([encoder.encode(`: ${'x'.repeat(200)}`)], 100), EventTooLargeError)
})

test('many small events are no large event', () => {
  assert.equal(decode([encoder.encode('data: x\n\n'.repeat(1000))], 20).length, 1000)
})

test('a long event in many reads is decoded in linear time', () => {
  const piece = encoder.encode('x'.repeat(1000))
  const pieces = [encoder.encode('data: '), ...Array.from({ length: 10_000 }, () => piece), encoder.encode('\n\n')]
  assert.equal(decode(pieces)[0].data.length, 10_000_000)
})
