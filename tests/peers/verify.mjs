// Verifies signed requests with implementations of others. Reads a list of {request, jwks?, jwksUrl?, hmac?, secret?, with?} as
// JSON, many of them; answers {verified: true | false | null, error?}. `hmac` are secrets of HMAC in base64 by keyid.
import { createHmac, createPublicKey, createHash, verify as cryptoVerify, constants } from 'node:crypto'
import { text } from 'node:stream/consumers'
import { httpbis } from 'http-message-signatures'
import { createLocalJWKSet, createRemoteJWKSet, exportJWK } from 'jose'
import { Webhook as Standard } from 'standardwebhooks'
import { Webhook as Svix } from 'svix'

const VERIFIERS = {
  ed25519: (key, data, signature) => cryptoVerify(null, data, key, signature),
  'ecdsa-p256-sha256': (key, data, signature) =>
    cryptoVerify('sha256', data, { key, dsaEncoding: 'ieee-p1363' }, signature),
  'rsa-pss-sha512': (key, data, signature) =>
    cryptoVerify('sha512', data, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 64 }, signature),
}
const JOSE = { ed25519: 'EdDSA', 'ecdsa-p256-sha256': 'ES256', 'rsa-pss-sha512': 'PS512' }

async function messageSignature ({ request, jwks, jwksUrl, hmac = {} }) {
  const body = Buffer.from(request.body, 'base64')
  const set = jwksUrl ? createRemoteJWKSet(new URL(jwksUrl)) : createLocalJWKSet(jwks ?? { keys: [] })
  const digest = request.headers['content-digest']
  if (body.length && digest !== `sha-256=:${createHash('sha256').update(body).digest('base64')}:`) return false
  return await httpbis.verifyMessage({
    requiredFields: ['@method', '@authority', '@path', '@query', 'webhook-id', 'webhook-timestamp',
      ...(body.length ? ['content-digest', 'content-type'] : [])],
    requiredParams: ['created', 'keyid', 'alg'],
    maxAge: 300,
    keyLookup: async ({ keyid, alg }) => {
      if (hmac[keyid]) {
        const secret = Buffer.from(hmac[keyid], 'base64')
        return { id: keyid, algs: ['hmac-sha256'],
          verify: async (data, signature) => createHmac('sha256', secret).update(data).digest().equals(signature) }
      }
      let found
      try {
        found = await set({ kid: keyid, alg: JOSE[alg] }, {})
      } catch { return null }
      const key = createPublicKey({ key: await exportJWK(found), format: 'jwk' })
      return { id: keyid, algs: [alg], verify: async (data, signature) => VERIFIERS[alg](key, data, signature) }
    },
  }, { method: request.method, url: request.url, headers: request.headers })
}

async function ed25519 ({ jwk, data, signature }) {
  const key = createPublicKey({ key: jwk, format: 'jwk' })
  return VERIFIERS.ed25519(key, Buffer.from(data, 'base64'), Buffer.from(signature, 'base64'))
}

async function standard ({ request, secret }, Webhook) {
  new Webhook(secret).verify(Buffer.from(request.body, 'base64').toString(), request.headers, { jsonParse: false })
  return true
}

const given = JSON.parse(await text(process.stdin))
const answers = []
for (const each of given) {
  try {
    const verified = each.with === 'svix' ? await standard(each, Svix)
      : each.with === 'ed25519' ? await ed25519(each)
      : each.with === 'standardwebhooks' ? await standard(each, Standard) : await messageSignature(each)
    answers.push({ verified })
  } catch (error) {
    answers.push({ verified: false, error: String(error) })
  }
}
console.log(JSON.stringify(answers))
