#!/usr/bin/env bash
# A structured CloudEvent whose body is handed over as bytes (what `express.raw()` and Node's streams give) is read as an
# object of byte values: an event without type and data, and no error. As a string it is read as it should be.
set -euo pipefail
cd "$(mktemp -d)"
npm init -y > npm.log 2>&1
npm install --silent cloudevents@10.0.0

cat > receive.mjs <<'END'
import { HTTP } from "cloudevents";
const text = JSON.stringify({ specversion: "1.0", id: "1", source: "/shop", type: "order.paid", data: { n: 1 } });
for (const [name, body] of [["string", text], ["Buffer", Buffer.from(text)]]) {
  const event = HTTP.toEvent({ headers: { "content-type": "application/cloudevents+json" }, body });
  console.log(`npm cloudevents 10.0.0, body as ${name}: type ${event.type}, data ${JSON.stringify(event.data)}`);
}
END

node receive.mjs | tee seen.txt
diff seen.txt - <<'END'
npm cloudevents 10.0.0, body as string: type order.paid, data {"n":1}
npm cloudevents 10.0.0, body as Buffer: type undefined, data undefined
END
