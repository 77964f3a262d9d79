// Loaded with `node -r`: what is meant for StatHat goes to the address in STATHAT_ADDRESS instead. The
// client's own code stays as it was published.
'use strict'

const http = require('http')

const [hostname, port] = process.env.STATHAT_ADDRESS.split(':')
const original = http.request

http.request = function (options, callback) {
  if (options.hostname !== 'api.stathat.com') throw new Error(`unexpected host ${options.hostname}`)
  return original.call(http, { ...options, hostname, port }, callback)
}
