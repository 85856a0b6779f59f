#!/usr/bin/env bash
# RFC 6902 section 4.1 and 4.3 allow `add` and `replace` at the empty pointer: they replace the whole document.
# npm rfc6902 returns a MissingError for both and leaves the document as it is.
set -euo pipefail
cd "$(mktemp -d)"
npm init -y > npm.log 2>&1
npm install --silent rfc6902@5.4.0

cat > patch.mjs <<'END'
import { applyPatch } from "rfc6902";
for (const op of ["add", "replace"]) {
  const document = { a: 1 };
  const [error] = applyPatch(document, [{ op, path: "", value: { b: 2 } }]);
  console.log(`npm rfc6902 5.4.0, ${op} at "": ${error?.name ?? "no error"}, document ${JSON.stringify(document)}`);
}
END

node patch.mjs | tee seen.txt
diff seen.txt - <<'END'
npm rfc6902 5.4.0, add at "": MissingError, document {"a":1}
npm rfc6902 5.4.0, replace at "": MissingError, document {"a":1}
END
