// Segment's own client for Node, unmodified, telling a shop's events in three parts.
//
//   node segment.mjs HOST KEY COUNT
//
// Writes "under way" to stdout when the first messages of a part were answered, and tells the next
// part after a line on stdin. In the end it writes, as JSON, how many failed and why.

import { createInterface } from 'node:readline'
import { Analytics } from '@segment/analytics-node'

const [host, writeKey, count] = process.argv.slice(2)
const analytics = new Analytics({ host, writeKey, flushAt: 20, flushInterval: 200 })
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()

let answered = 0
let heard = () => {}
const failed = []
const reasons = new Set()
analytics.on('error', (error) => reasons.add(String(error.reason ?? error.code)))

function done(error, context) {
  if (error || context.failedDelivery()) failed.push(context.event.messageId)
  answered += 1
  heard()
}

function tell(n) {
  analytics.track(
    {
      userId: `node-${n % 40}`,
      event: 'Product Viewed',
      properties: { product_id: `p${n % 7}`, price: 12.5, currency: 'EUR' },
      messageId: `node/${n}`,
    },
    done,
  )
}

for (let part = 0; part < 3; part += 1) {
  const before = answered
  const underWay = new Promise((go) => (heard = () => answered > before && go()))
  for (let n = Math.floor((part * count) / 3); n < Math.floor(((part + 1) * count) / 3); n += 1) tell(n)
  await underWay
  if (part === 2) break
  console.log('under way')
  await lines.next()
}
await analytics.closeAndFlush({ timeout: 120_000 })
console.log(JSON.stringify({ answered, failed, reasons: [...reasons] }))
process.exit(0)
