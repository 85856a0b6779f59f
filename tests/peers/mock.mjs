// oauth2-mock-server with rotation of our own, lifetimes below a second, and failures on command.
import { Resource, listen, obey } from './serving.mjs'
import { randomUUID } from 'node:crypto'
import { OAuth2Issuer, OAuth2Service } from 'oauth2-mock-server'

const issuer = new OAuth2Issuer()
const service = new OAuth2Service(issuer)
await issuer.keys.generate('RS256')

const access = new Map() // until when (ms), by token
const families = new Map() // by refresh token, also by those that are spent
let asked = 0
const injected = []
let seconds = 600
let reused = 0
let needless = 0
let newest = { from: 0, until: 0 }

service.on('beforeTokenSigning', (token) => { token.payload.jti = randomUUID() }) // two of one second were the same

const failures = {
  error: (response) => { response.statusCode = 500; response.body = { error: 'server_error' } },
  invalid_grant: (response) => { response.statusCode = 400; response.body = { error: 'invalid_grant' } },
  tokenless: (response) => { delete response.body.access_token },
  keeping: () => {} // see below
}

service.on('beforeResponse', (response, request) => {
  const { grant_type: grant, refresh_token: given } = request.body
  const failure = request.failure
  if (failure in failures) failures[failure](response)
  if (response.statusCode !== 200 || !response.body.access_token) return
  const now = Date.now()
  response.body.expires_in = seconds
  delete response.body.refresh_token
  if (grant === 'refresh_token') {
    const family = families.get(given)
    if (family === undefined || family.newest !== given) {
      if (family !== undefined) { reused += 1; family.newest = null }
      response.statusCode = 400
      response.body = { error: 'invalid_grant', error_description: given }
      return
    }
    if (failure !== 'keeping') {
      family.newest = response.body.refresh_token = randomUUID()
      families.set(family.newest, family)
    }
  }
  if (newest.until - now > (newest.until - newest.from) / 2) needless += 1 // what it got last was as good as new
  newest = { from: now, until: now + seconds * 1000 }
  access.set(response.body.access_token, newest.until)
})

async function ask (request, response) {
  const failure = request.failure = injected.shift()
  if (failure === 'slow') await new Promise((resolve) => setTimeout(resolve, 500))
  if (failure === 'hang') return
  if (failure === 'lost') return request.socket.destroy()
  if (failure === 'broken') {
    response.writeHead(200, { 'Content-Type': 'application/json' })
    return response.end('{"access_token": ')
  }
  service.requestHandler(request, response)
}

const resource = new Resource((token) => (access.get(token) ?? 0) > Date.now())
const url = await listen((url) => {
  issuer.url = url
  return (request, response) => {
    if (request.url.startsWith('/resource')) return resource.handle(request, response)
    if (request.url !== '/token') return service.requestHandler(request, response)
    asked += 1
    return ask(request, response)
  }
})

function reset () {
  asked = reused = needless = 0
  seconds = 600
  newest = { from: 0, until: 0 }
  injected.length = 0
  resource.counts = {}
}

await obey({ url, token: `${url}/token`, resource: `${url}/resource` }, {
  mint: () => {
    const token = randomUUID()
    families.set(token, { newest: token })
    return { token }
  },
  live: ({ seconds: wanted }) => { seconds = wanted },
  end: () => {
    const ended = [...access.values()].filter((until) => until > Date.now()).length
    access.clear()
    newest = { from: 0, until: 0 }
    return ended
  },
  /** The next token requests fail, each by one of these; without a failure all is well again. */
  fail: ({ failures: next = [] }) => { injected.splice(0, injected.length, ...next) },
  reset,
  counts: () => ({ asked, reused, needless, left: injected.length, resource: resource.counts })
})
