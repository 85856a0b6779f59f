#!/usr/bin/env bash
# RFC 6749 section 2.3.1: a client encodes its id and secret with application/x-www-form-urlencoded before it puts them into Basic.
# @node-oauth/oauth2-server does not decode them: a client that follows the RFC is refused if its secret holds + / = or %.
set -euo pipefail
cd "$(mktemp -d)"
npm init -y > npm.log 2>&1
npm install --silent @node-oauth/oauth2-server@5.3.0

cat > ask.cjs <<'END'
const OAuth2Server = require("@node-oauth/oauth2-server");
const secret = "ab+/cd==";
const model = {
  getClient: async (id, given) => id === "shop" && given === secret && { id, grants: ["client_credentials"] },
  getUserFromClient: async () => ({}),
  saveToken: async (token, client, user) => ({ ...token, client, user }),
};
async function ask(name, basic, parameters = {}) {
  const headers = { "content-type": "application/x-www-form-urlencoded", "content-length": "1" };
  if (basic) headers.authorization = `Basic ${Buffer.from(basic).toString("base64")}`;
  const body = { grant_type: "client_credentials", ...parameters };
  const request = new OAuth2Server.Request({ method: "POST", query: {}, headers, body });
  const seen = await new OAuth2Server({ model }).token(request, new OAuth2Server.Response({})).then(
    () => "a token",
    (error) => `${error.code} ${error.name}`,
  );
  console.log(`@node-oauth/oauth2-server 5.3.0, ${name}: ${seen}`);
}
(async () => {
  await ask("Basic, encoded as the RFC says", `shop:${encodeURIComponent(secret)}`);
  await ask("Basic, not encoded", `shop:${secret}`);
  await ask("in the body", null, { client_id: "shop", client_secret: secret });
})();
END

node ask.cjs | tee seen.txt
diff seen.txt - <<'END'
@node-oauth/oauth2-server 5.3.0, Basic, encoded as the RFC says: 401 invalid_client
@node-oauth/oauth2-server 5.3.0, Basic, not encoded: a token
@node-oauth/oauth2-server 5.3.0, in the body: a token
END
