// Sends a number with every call of the npm package `stathat` and prints what each callback got.
// Arguments: EZ key, time in Unix seconds.
'use strict'

const stathat = require('stathat')

const [key, time] = [process.argv[2], Number(process.argv[3])]

const calls = [
  ['trackEZCountWithTime', key, 'npm count', 3, time],
  ['trackEZCountWithTime', key, 'npm count', 4.5, time],
  ['trackEZValueWithTime', key, 'npm value', 2.5, time],
  ['trackEZValueWithTime', key, 'npm value', 3.5, time],
  ['trackEZCount', key, 'npm now', 1],
  ['trackEZValue', key, 'npm now too', 1],
  // It counts UTF-16 units and so cuts off the last byte of this one: a digit of the time.
  ['trackEZCountWithTime', key, 'npm é', 1, time],
]

for (const [method, ...args] of calls) {
  stathat[method](...args, (status, body) => console.log(`${method} ${status} ${body}`))
}
