#!/usr/bin/env bash
# ServiceStack's own JavaScript client writes JSV that loses values: `null` and the empty string vanish, in objects and in arrays (whose
# later items move up), a date is written in the machine's own zone without saying which, and blanks at the ends of a string stand bare.
set -euo pipefail
cd "$(mktemp -d)"
npm init -y > npm.log 2>&1
npm install --silent @servicestack/client@2.1.13

cat > write.cjs <<'END'
const { JSV } = require("@servicestack/client");
for (const value of [{ a: [1, null, 2] }, { a: ["p", "", "q"] }, { a: "", b: 1 }, { a: new Date(0) }, { a: " x " }]) {
  console.log(`npm @servicestack/client 2.1.13, ${JSON.stringify(value)}: ${JSV.stringify(value)}`);
}
END

TZ=America/New_York node write.cjs | tee seen.txt
diff seen.txt - <<'END'
npm @servicestack/client 2.1.13, {"a":[1,null,2]}: {a:[1,2]}
npm @servicestack/client 2.1.13, {"a":["p","","q"]}: {a:[p,q]}
npm @servicestack/client 2.1.13, {"a":"","b":1}: {b:1}
npm @servicestack/client 2.1.13, {"a":"1970-01-01T00:00:00.000Z"}: {a:"1969-12-31T19:00:00"}
npm @servicestack/client 2.1.13, {"a":" x "}: {a: x }
END
