// Decodes the wires of a JSON file ([[piece, …], …], pieces in base64) and prints the events of each, for a comparison
// with another decoder: node decode.mjs FILE
import { readFileSync } from 'node:fs'

import { SseDecoder } from '@penstock/client'

const wires = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const decoded = wires.map((pieces) => {
  const decoder = new SseDecoder()
  return pieces.flatMap((piece) => decoder.decode(Buffer.from(piece, 'base64')))
})
console.log(JSON.stringify(decoded.map((events) => events.map(({ event, data, id }) => [event, data, id]))))
