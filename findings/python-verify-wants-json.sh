#!/usr/bin/env bash
# `verify` of the Python libraries checks the signature and then parses the body as JSON. A request that is genuine but has an
# empty body (DELETE, GET) or plain text raises JSONDecodeError, which is no WebhookVerificationError.
set -euo pipefail
cd "$(mktemp -d)"
python3 -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check standardwebhooks==1.0.1 svix==1.99.1

cat > verify.py <<'END'
import base64
from datetime import datetime, timezone

import standardwebhooks.webhooks
import svix.webhooks

secret = "whsec_" + base64.b64encode(b"k" * 32).decode()
now = datetime.now(timezone.utc)
for name, library in (("standardwebhooks 1.0.1", standardwebhooks.webhooks), ("svix 1.99.1", svix.webhooks)):
    webhook = library.Webhook(secret)
    for body in ('{"a":1}', "", "plain text"):
        headers = {
            "webhook-id": "msg_1",
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": webhook.sign("msg_1", now, body),
        }
        try:
            seen = repr(webhook.verify(body, headers))
        except Exception as error:
            seen = f"{type(error).__name__} (WebhookVerificationError: {isinstance(error, library.WebhookVerificationError)})"
        print(f"{name}, signed body {body!r}: {seen}")
END

venv/bin/python -W ignore verify.py | tee seen.txt
diff seen.txt - <<'END'
standardwebhooks 1.0.1, signed body '{"a":1}': {'a': 1}
standardwebhooks 1.0.1, signed body '': JSONDecodeError (WebhookVerificationError: False)
standardwebhooks 1.0.1, signed body 'plain text': JSONDecodeError (WebhookVerificationError: False)
svix 1.99.1, signed body '{"a":1}': {'a': 1}
svix 1.99.1, signed body '': JSONDecodeError (WebhookVerificationError: False)
svix 1.99.1, signed body 'plain text': JSONDecodeError (WebhookVerificationError: False)
END
