// Starts kinesalite on loopback, and supplies what it lacks of the service (see kinesalite.py):
// an answer for AT_TIMESTAMP behind all records, an honest MillisBehindLatest, ChildShards where
// asked for, shards from a time on, and a clock that tests move on.
'use strict'

const http = require('http')

const real = Date.now
let aheadMs = 0
let givesChildren = false
Date.now = () => real() + aheadMs

const db = require('kinesalite/db')

// Actions are loaded by kinesalite's index, so they are wrapped before it.
function wrap(name, around) {
  const file = require.resolve('kinesalite/actions/' + name)
  const action = require(file)
  require.cache[file].exports = (store, data, answer) => around(action, store, data, answer)
}

function first(store, stream, range, found) {
  let value = null
  db.lazy(store.getStreamDb(stream).createReadStream({ ...range, limit: 1 }), found)
    .map((each) => { value = each.value })
    .join(() => found(null, value))
}

function shardRange(shardIx, sequence) {
  const start = db.shardIxToHex(shardIx) + (sequence ? '/' + sequence : '')
  return { gte: start, lt: db.shardIxToHex(shardIx + 1) }
}

// It never answers where no record is that new: the position is then behind the last one.
wrap('getShardIterator', (action, store, data, answer) => {
  if (data.ShardIteratorType !== 'AT_TIMESTAMP') return action(store, data, answer)
  const { shardIx } = db.resolveShardId(data.ShardId)
  first(store, data.StreamName, { ...shardRange(shardIx), reverse: true }, (error, newest) => {
    if (error) return answer(error)
    const isBehindAll = !newest || newest.ApproximateArrivalTimestamp < data.Timestamp
    const asked = isBehindAll && data.Timestamp * 1000 <= Date.now()
      ? { ...data, ShardIteratorType: 'LATEST', Timestamp: undefined }
      : data
    action(store, asked, answer)
  })
})

// It says 0 whatever still follows, and names no children where a shard ends.
wrap('getRecords', (action, store, data, answer) => {
  const before = parse(data.ShardIterator)
  action(store, data, (error, page) => {
    if (error) return answer(error)
    if (!page.NextShardIterator) {
      if (!givesChildren) return answer(null, page)
      return children(store, before.stream, before.shard, (failed, shards) => {
        answer(failed, { ...page, ChildShards: shards })
      })
    }
    const next = parse(page.NextShardIterator)
    first(store, next.stream, shardRange(next.shardIx, next.sequence), (failed, following) => {
      if (failed || !following) return answer(failed, page)
      const behind = Date.now() - following.ApproximateArrivalTimestamp * 1000
      answer(null, { ...page, MillisBehindLatest: Math.max(1, Math.ceil(behind)) })
    })
  })
})

// It passes over ShardFilter. Of a filtered listing a page has two shards, and its token the rest.
const PAGE = 2
require('kinesalite/validations/listShards').types.ShardFilter = {
  type: 'Structure',
  children: { Type: { type: 'String' }, Timestamp: { type: 'Timestamp' } },
}
wrap('listShards', (action, store, data, answer) => {
  if (!data.ShardFilter && !data.NextToken) return action(store, data, answer)
  const [name, since, begin] = data.NextToken
    ? JSON.parse(data.NextToken)
    : [data.StreamName, data.ShardFilter.Timestamp, 0]
  action(store, { StreamName: name }, (error, listed) => {
    if (error) return answer(error)
    const shards = listed.Shards.filter((each) => !(endedMs(each) < since * 1000))
    const end = begin + PAGE
    const more = end < shards.length ? { NextToken: JSON.stringify([name, since, end]) } : {}
    answer(null, { Shards: shards.slice(begin, end), ...more })
  })
})

function endedMs(shard) {
  const { EndingSequenceNumber } = shard.SequenceNumberRange
  return EndingSequenceNumber ? db.parseSequence(EndingSequenceNumber).seqTime : Infinity
}

function parse(iterator) {
  const crypto = require('crypto')
  try {
    const cipher = crypto.createDecipheriv('aes-256-cbc', db.ITERATOR_PWD_KEY, db.ITERATOR_PWD_IV)
    const bytes = Buffer.from(iterator, 'base64').subarray(8)
    const text = Buffer.concat([cipher.update(bytes), cipher.final()]).toString()
    const [, stream, shard, sequence] = text.split('/')
    return { stream, shard, sequence, shardIx: parseInt(shard.split('-')[1], 10) }
  } catch {
    return {} // the action refuses it
  }
}

function children(store, stream, parent, found) {
  store.getStream(stream, (error, description) => {
    if (error) return found(error)
    const shards = description.Shards
      .filter((each) => [each.ParentShardId, each.AdjacentParentShardId].includes(parent))
      .map((each) => ({
        ShardId: each.ShardId,
        ParentShards: [each.ParentShardId, each.AdjacentParentShardId].filter(Boolean),
        HashKeyRange: each.HashKeyRange,
      }))
    found(null, shards)
  })
}

const kinesalite = require('kinesalite')({
  createStreamMs: 5,
  deleteStreamMs: 5,
  updateStreamMs: 5,
  shardLimit: 1000000,
})

const server = http.createServer((request, response) => {
  response.setHeader('Date', new Date(Date.now()).toUTCString())
  const url = new URL(request.url, 'http://127.0.0.1')
  if (url.pathname !== '/test') return kinesalite.emit('request', request, response)
  if (url.searchParams.has('reset')) [aheadMs, givesChildren] = [0, false]
  if (url.searchParams.has('advance_ms')) aheadMs += Number(url.searchParams.get('advance_ms'))
  if (url.searchParams.has('children')) givesChildren = url.searchParams.get('children') === 'yes'
  response.end(String(Date.now()))
})
server.keepAliveTimeout = 120000 // so that a pooled connection does not end under a request
server.listen(Number(process.argv[2]), '127.0.0.1')
