#!/usr/bin/env bash
# The CloudEvents specification makes `time` optional. Both SDKs fill it in on the receiving side: a receiver cannot tell
# the moment of the event from the moment of its own parsing.
set -euo pipefail
cd "$(mktemp -d)"
npm init -y > npm.log 2>&1
npm install --silent cloudevents@10.0.0
python3 -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check cloudevents==2.2.0

cat > receive.mjs <<'END'
import { HTTP } from "cloudevents";
const body = JSON.stringify({ specversion: "1.0", id: "1", source: "/shop", type: "order.paid", data: {} });
const event = HTTP.toEvent({ headers: { "content-type": "application/cloudevents+json" }, body });
console.log("npm cloudevents 10.0.0, time of an event without one:", event.time === undefined ? "absent" : "present");
END
cat > receive.py <<'END'
from cloudevents.v1.http import from_http

body = b'{"specversion":"1.0","id":"1","source":"/shop","type":"order.paid","data":{}}'
event = from_http({"content-type": "application/cloudevents+json"}, body)
time = event.get_attributes().get("time")
print("PyPI cloudevents 2.2.0, time of an event without one:", "absent" if time is None else "present")
END

{ node receive.mjs; venv/bin/python -W ignore receive.py; } | tee seen.txt
diff seen.txt - <<'END'
npm cloudevents 10.0.0, time of an event without one: present
PyPI cloudevents 2.2.0, time of an event without one: present
END
