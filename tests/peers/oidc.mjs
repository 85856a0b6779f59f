// oidc-provider as strict as it gets: refresh tokens rotate, one that comes twice ends all that was granted with it.
// Arguments: further redirect URIs.
import { Resource, listen, obey, once } from './serving.mjs'
import { exportJWK, exportPKCS8, generateKeyPair } from 'jose'
import Provider from 'oidc-provider'

const API = 'https://api.example/' // the resource that tokens are for (RFC 8707)
const SECRET = 's3cret: +%/~' // what Basic has to encode
const REDIRECT = 'http://127.0.0.1:1/callback'
const GRANTS = ['client_credentials', 'refresh_token', 'authorization_code']
const KEYS = { rsa: ['RS256'], ec: ['ES256'], ed: ['EdDSA', { crv: 'Ed25519' }], pss: ['PS256'] }

const clients = []
const secrets = {}
const LIFE = 600
const lives = {} // seconds, by client; of all others LIFE

function client (name, method, more = {}) {
  clients.push({
    client_id: `${name}:1`, // a colon: Basic has to encode it
    token_endpoint_auth_method: method,
    grant_types: method === 'none' ? GRANTS.slice(1) : GRANTS,
    redirect_uris: [REDIRECT, ...process.argv.slice(2)],
    response_types: ['code'],
    ...more
  })
}

for (const name of ['basic', 'brief', 'shared']) client(name, 'client_secret_basic', { client_secret: SECRET })
client('post', 'client_secret_post', { client_secret: SECRET })
client('none', 'none', { application_type: 'native' })
for (const [name, [alg, options]] of Object.entries(KEYS)) {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true, ...options })
  const key = { ...await exportJWK(privateKey), alg, kid: `k-${name}`, use: 'sig' }
  secrets[name] = name === 'pss' ? JSON.stringify(key) : await exportPKCS8(privateKey)
  const jwk = { ...await exportJWK(publicKey), alg, kid: `k-${name}`, use: 'sig' }
  client(name, 'private_key_jwt', { jwks: { keys: [jwk] }, token_endpoint_auth_signing_alg: alg })
}
for (const { client_id: id, client_secret: secret } of clients) if (secret) secrets[id.slice(0, -2)] = secret

const live = new Map() // access tokens
let asked, granted, errors, revoked // token requests by client and grant, errors by code, grants ended
let provider

const lifetime = (_ctx, _token, { clientId }) => lives[clientId] ?? LIFE

const url = await listen(async (issuer) => {
  provider = new Provider(issuer, {
    clients,
    scopes: ['openid', 'offline_access', 'read'],
    clientDefaults: { id_token_signed_response_alg: 'RS256' },
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'],
    clockTolerance: 2,
    cookies: { keys: ['for tests'] },
    findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    issueRefreshToken: () => true,
    rotateRefreshToken: true,
    loadExistingGrant: (ctx) => grant(ctx.oidc.client.clientId),
    interactions: { url: (_ctx, { uid }) => `/login/${uid}` },
    pkce: { required: () => true },
    ttl: { Interaction: 600, Session: 600, AccessToken: lifetime, ClientCredentials: lifetime, RefreshToken: 86400, Grant: 86400 },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => API,
        useGrantedResource: () => true,
        getResourceServerInfo: (_ctx, resource, { clientId }) => {
          if (resource !== API) throw new Error('another resource')
          return { scope: 'read', audience: API, accessTokenFormat: 'opaque', accessTokenTTL: lives[clientId] ?? LIFE }
        }
      }
    }
  })
  const note = (token) => live.set(token.jti, token)
  provider.on('access_token.saved', note)
  provider.on('client_credentials.saved', note)
  const kind = (ctx) => `${ctx.oidc.client?.clientId.slice(0, -2) ?? '?'} ${ctx.oidc.params?.grant_type ?? '?'}`
  provider.on('grant.success', (ctx) => { once(asked, kind(ctx)); once(granted, kind(ctx)) })
  provider.on('grant.error', (ctx, error) => { once(asked, kind(ctx)); once(errors, error.error) })
  provider.on('grant.revoked', () => { revoked += 1 })
  const talk = provider.callback()
  return (request, response) => {
    if (request.url.startsWith('/resource')) return resource.handle(request, response)
    if (!request.url.startsWith('/login/')) return talk(request, response)
    return provider.interactionFinished(request, response, { login: { accountId: 'person' }, consent: {} })
  }
})

const resource = new Resource(async (value) => {
  const token = await provider.AccessToken.find(value) ?? await provider.ClientCredentials.find(value)
  return Boolean(token) && token.isValid && token.aud === API && token.scope === 'read'
})

async function grant (clientId) {
  const consent = new provider.Grant({ accountId: 'person', clientId })
  consent.addOIDCScope('openid offline_access read')
  consent.addResourceScope(API, 'read')
  await consent.save()
  return consent
}

async function consented (name, Model, more) {
  const client = await provider.Client.find(`${name}:1`)
  const token = new Model({
    accountId: 'person',
    client,
    grantId: (await grant(client.clientId)).jti,
    resource: API,
    scope: 'openid offline_access read',
    claims: {},
    ...more
  })
  return token.save()
}

function reset () {
  [asked, granted, errors, revoked] = [{}, {}, {}, 0]
  resource.counts = {}
}

reset()
await obey(
  { url, token: `${url}/token`, authorize: `${url}/auth`, resource: `${url}/resource`, api: API, redirect: REDIRECT, secrets },
  {
    /** A refresh token for a client. */
    mint: async ({ client }) => ({
      token: await consented(client, provider.RefreshToken, { gty: 'authorization_code', rotations: 0 })
    }),
    /** An authorization code for a client. */
    code: async ({ client, challenge, redirect = REDIRECT }) => ({
      code: await consented(client, provider.AuthorizationCode, {
        codeChallenge: challenge, codeChallengeMethod: 'S256', redirectUri: redirect
      })
    }),
    /** From now on the access tokens of a client live that long. */
    live: ({ client, seconds }) => { lives[`${client}:1`] = seconds },
    /** End the access tokens of one client, or all; answers how many were good. */
    end: async ({ client }) => {
      let ended = 0
      for (const [id, token] of live) {
        if (client && token.clientId !== `${client}:1`) continue
        ended += Number(token.isValid)
        await token.destroy()
        live.delete(id)
      }
      return ended
    },
    reset,
    counts: () => ({ asked, granted, errors, revoked, resource: resource.counts })
  }
)
