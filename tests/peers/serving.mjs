// What serving peers have in common: a server on loopback, commands on standard input, and a resource that wants tokens.
import http from 'node:http'
import readline from 'node:readline'

console.log = console.info = console.warn = console.error // standard output is for answers

/** Listens on a free port; `make(url)` gives the handler of its requests. */
export async function listen (make) {
  const server = http.createServer()
  await new Promise((resolve) => server.listen(0, '127.0.0.1', 64, resolve))
  const url = `http://127.0.0.1:${server.address().port}`
  server.on('request', await make(url))
  return url
}

/** Says `told`, then answers each command `{do, ...}` by the function of that name, and ends with its input. */
export async function obey (told, commands) {
  const say = (value) => process.stdout.write(JSON.stringify(value ?? null) + '\n')
  say(told)
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { do: name, ...given } = JSON.parse(line)
    say(await commands[name](given))
  }
  process.exit(0)
}

export const once = (count, name) => { count[name] = (count[name] ?? 0) + 1 }

/** A protected resource: 200 for a token that `good` knows, 401 for all others. Each path below it has its counts. */
export class Resource {
  constructor (good) {
    this.good = good
    this.counts = {}
  }

  handle = async (request, response) => {
    request.resume()
    const [scheme, token] = (request.headers.authorization ?? '').split(' ')
    const counts = this.counts[request.url.split('/')[2] ?? ''] ??= { ok: 0, refused: 0 }
    const welcome = scheme === 'Bearer' && Boolean(token) && await this.good(token)
    once(counts, welcome ? 'ok' : 'refused')
    response.writeHead(welcome ? 200 : 401, welcome ? {} : { 'WWW-Authenticate': 'Bearer error="invalid_token"' })
    response.end(welcome ? 'ok' : 'no')
  }
}
