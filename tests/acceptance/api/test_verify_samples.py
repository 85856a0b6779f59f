"""The samples of docs/how-to/verify.md, as an integrator would paste them, against live deliveries."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
import uuid
from base64 import b64decode, b64encode
from collections.abc import Mapping
from pathlib import Path

import pytest

from hookward.adapters.clock import SystemClock
from hookward.domain.signing.standard_webhooks import sign_v1
from tests.integration.observing import ROOT
from tests.receiver import Received, Receiver
from tests.service import Service, event, wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGE = (ROOT / "docs" / "how-to" / "verify.md").read_text("utf-8")
SAMPLES = dict(re.findall(r"^```(python|js|go|java|rust|php)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
BUILD_SECONDS = 240.0

# Each reads questions of five lines (keys, id, timestamp, signatures, body in base64) and answers each with a line.
DRIVERS = {
    "python": """
import sys
lines = sys.stdin.read().split("\\n")
for at in range(0, len(lines) - 4, 5):
    keys, id, timestamp, signatures, body = lines[at:at + 5]
    print(str(verify(keys.split(" "), id, timestamp, signatures, base64.b64decode(body))).lower())
""",
    "js": """
const lines = require('node:fs').readFileSync(0, 'utf8').split('\\n')
for (let at = 0; at + 4 < lines.length; at += 5) {
  const [keys, id, timestamp, signatures, body] = lines.slice(at, at + 5)
  console.log(verify(keys.split(' '), id, timestamp, signatures, Buffer.from(body, 'base64')))
}
""",
    "go": """package main

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"os"
	"strings"
)

func main() {
	lines := []string{}
	scanner := bufio.NewScanner(os.Stdin)
	for scanner.Scan() {
		lines = append(lines, scanner.Text())
	}
	for at := 0; at+4 < len(lines); at += 5 {
		body, _ := base64.StdEncoding.DecodeString(lines[at+4])
		fmt.Println(Verify(strings.Split(lines[at], " "), lines[at+1], lines[at+2], lines[at+3], body))
	}
}
""",
    "java": """
class Driver {
    public static void main(String[] arguments) throws Exception {
        String[] lines = new String(System.in.readAllBytes()).split("\\n", -1);
        for (int at = 0; at + 4 < lines.length; at += 5) {
            byte[] body = Base64.getDecoder().decode(lines[at + 4]);
            System.out.println(Webhooks.verify(
                    List.of(lines[at].split(" ")), lines[at + 1], lines[at + 2], lines[at + 3], body));
        }
    }
}
""",
    "rust": """
fn main() {
    let text = std::io::read_to_string(std::io::stdin()).unwrap();
    let lines: Vec<&str> = text.split('\\n').collect();
    for each in lines.chunks_exact(5) {
        let keys: Vec<&str> = each[0].split(' ').collect();
        println!("{}", verify(&keys, each[1], each[2], each[3], &STANDARD.decode(each[4]).unwrap()));
    }
}
""",
    "php": """
$lines = explode("\\n", stream_get_contents(STDIN));
for ($at = 0; $at + 4 < count($lines); $at += 5) {
    [$keys, $id, $timestamp, $signatures, $body] = array_slice($lines, $at, 5);
    $verified = verify_webhook(explode(' ', $keys), $id, $timestamp, $signatures, base64_decode($body));
    echo $verified ? "true\\n" : "false\\n";
}
""",
}
CARGO = """[package]
name = "sample"
version = "0.0.0"
edition = "2021"

[dependencies]
base64 = "0.22"
ed25519-dalek = "2"
hmac = "0.12"
sha2 = "0.10"

[profile.dev]
debug = false
incremental = false
"""
TOOLS = {"js": "node", "go": "go", "java": "javac", "rust": "cargo", "php": "php"}


async def run(*command: str, at: Path, given: str = "", also: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Exit status and what was written, standard error too."""
    environment = {"PATH": os.pathsep.join((os.defpath, *paths())), "HOME": str(Path.home()), **(also or {})}
    process = await asyncio.create_subprocess_exec(
        *command, cwd=at, env=environment, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(BUILD_SECONDS):
        written, _ = await process.communicate(given.encode())
    return process.returncode or 0, written.decode()


def paths() -> list[str]:
    return [str(Path(found).parent) for tool in (*TOOLS.values(), "java") if (found := shutil.which(tool))]


async def built(language: str, at: Path) -> tuple[str, ...]:
    """Put a sample and its driver together; answers the command that runs them."""
    sample, driver = SAMPLES[language], DRIVERS[language]
    match language:
        case "python":
            (at / "sample.py").write_text(sample + driver)
            return (sys.executable, "sample.py")
        case "js":
            (at / "sample.cjs").write_text(sample + driver)
            return ("node", "sample.cjs")
        case "php":
            (at / "sample.php").write_text(sample + driver)
            return ("php", "sample.php")
        case "go":
            (at / "verify.go").write_text(sample)
            (at / "main.go").write_text(driver)
            build: tuple[str, ...] = ("go", "build", "-o", "sample", "verify.go", "main.go")
            command: tuple[str, ...] = (str(at / "sample"),)
        case "java":
            (at / "Webhooks.java").write_text(sample + driver)
            build, command = ("javac", "-Xlint:all", "-Werror", "Webhooks.java"), ("java", "-cp", ".", "Driver")
        case _:
            (at / "src").mkdir()
            (at / "src" / "main.rs").write_text(sample + driver)
            (at / "Cargo.toml").write_text(CARGO)
            status, said = await run("cargo", "fetch", at=at)
            if status:
                pytest.skip(f"crates cannot be fetched here: {said[-300:]}")
            build, command = ("cargo", "build", "--offline", "--quiet"), (str(at / "target" / "debug" / "sample"),)
    status, said = await run(*build, at=at, also={"RUSTFLAGS": "-D warnings"})
    assert status == 0, said
    return command


def question(received: Received, *keys: str, **changed: str) -> str:
    given = {
        "keys": " ".join(keys), "id": received.id, "timestamp": received.headers["webhook-timestamp"],
        "signatures": received.headers["webhook-signature"], "body": b64encode(received.body).decode(),
    }  # fmt: skip
    return "\n".join((given | changed).values())


def signed_at(received: Received, secret: str, offset: int) -> dict[str, str]:
    """What the holder of ``secret`` would have sent that many seconds from now."""
    second = SystemClock().now_us() // 1_000_000 + offset
    signature = sign_v1(b64decode(secret.removeprefix("whsec_")), received.id, second, received.body)
    return {"timestamp": str(second), "signatures": signature}


async def delivered(service: Service, receiver: Receiver) -> tuple[Received, dict[str, str]]:
    """A request signed by four keys: of each kind one, former and new."""
    keys: dict[str, str] = {}
    ids = []
    for algorithm, shown in (("hmac-sha256", "secret"), ("ed25519", "publicKey")):
        given = {"name": "a key", "algorithm": algorithm}
        key = await service.ask("POST", "/v1/crypto-keys", expect=201, json=given)
        new = await service.ask("POST", f"/v1/crypto-keys/{key['id']}/rotate", expect=200)
        keys |= {f"old {algorithm}": key[shown], f"new {algorithm}": new[shown]}
        ids.append(key["id"])
    company = uuid.uuid4().hex
    signature = {"enabled": True, "cryptoKeyIds": ids}
    await service.create_watch(f"{receiver.url}/{company}", company=company, signature=signature)
    await service.publish(event("1", company=company, resource={"id": "1", "reference": "é €"}))
    await wait_until(lambda: receiver.requests)
    return receiver.requests[0], keys


@pytest.mark.timeout(300)
@pytest.mark.parametrize("language", SAMPLES)
async def test_a_sample_accepts_what_was_sent_and_nothing_else(
    service: Service, receiver: Receiver, tmp_path: Path, language: str
) -> None:
    if language in TOOLS and shutil.which(TOOLS[language]) is None:
        pytest.skip(f"there is no {TOOLS[language]} on this machine")
    received, keys = await delivered(service, receiver)
    command = await built(language, tmp_path)
    secret, public = keys["new hmac-sha256"], keys["new ed25519"]
    unknown_fields = ("whsec_" + b64encode(b"s" * 32).decode(), "whpk_" + b64encode(b"p" * 32).decode())
    received.headers["webhook-signature"] += " v1,*** v1a,AAAA v2,AAAA v1 v1a,"  # what others may add some day
    cases = {
        **{name: (question(received, key), True) for name, key in keys.items()},
        "any of several": (question(received, *unknown_fields, secret), True),
        "either kind": (question(received, unknown_fields[0], public), True),
        "unknown_fields": (question(received, *unknown_fields), False),
        "a secret as public key": (question(received, secret.replace("whsec_", "whpk_")), False),
        "a public key as secret": (question(received, public.replace("whpk_", "whsec_")), False),
        "another body": (question(received, secret, public, body=b64encode(received.body + b" ").decode()), False),
        "another id": (question(received, secret, public, id="dlv_1"), False),
        "another time": (question(received, secret, public, timestamp=str(int(received.at))), False),
        "no time": (question(received, secret, public, timestamp="now"), False),
        "no signature": (question(received, secret, public, signatures=""), False),
        "just now": (question(received, secret, **signed_at(received, secret, 0)), True),
        "lately": (question(received, secret, **signed_at(received, secret, -240)), True),
        "long ago": (question(received, secret, **signed_at(received, secret, -360)), False),
        "some time to come": (question(received, secret, **signed_at(received, secret, 360)), False),
    }
    status, said = await run(*command, at=tmp_path, given="\n".join(text for text, _ in cases.values()))
    assert status == 0, said
    assert dict(zip(cases, said.split(), strict=True)) == {
        name: "true" if accepted else "false" for name, (_, accepted) in cases.items()
    }


async def test_there_is_a_sample_for_each_language_that_compiles_whatever_the_encoding() -> None:
    assert set(SAMPLES) == set(DRIVERS)
    assert all(each.isascii() for each in SAMPLES.values())
