#!/usr/bin/env bash
# The function that its name and the JavaScript client's JSV.stringify promise to be a JSV writer returns a list of pairs for a form, whose
# nested values are JSON.
set -euo pipefail
cd "$(mktemp -d)"
python3 -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check servicestack==0.1.15

cat > write.py <<'END'
from servicestack import to_jsv_data

print("PyPI servicestack 0.1.15:", to_jsv_data({"a": "x:y", "b": ["p", "", "q"], "c": None, "d": {"e": 1}}))
END

venv/bin/python -W ignore write.py | tee seen.txt
diff seen.txt - <<'END'
PyPI servicestack 0.1.15: [('a', 'x:y'), ('b', '["p","","q"]'), ('d', '{"e":1}')]
END
