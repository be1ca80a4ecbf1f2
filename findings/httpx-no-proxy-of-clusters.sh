#!/usr/bin/env bash
# NO_PROXY as clusters set it, for an API server on a Service address: which HTTP client of Python goes there directly.
#
# Versions: httpx 0.28.1, requests 2.32.5, aiohttp 3.13.2 (which asks urllib of the interpreter).
# Seen, NO_PROXY=10.0.0.0/8: requests goes directly, as Go's clients do; httpx and aiohttp go to the proxy, without a word.
# Seen, NO_PROXY=fd00::/8 or [::1], also when the server is another one: httpx cannot make a client at all (InvalidURL: Invalid port).
# Why it matters: one line of a policy engine's (dual-stack clusters have both entries) cuts a program in a pod off from its API server, or ends it.
# Fails when one of the answers is another one.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check httpx==0.28.1 requests==2.32.5 aiohttp==3.13.2
cat > ask.py <<'PY'
import os

import aiohttp.helpers
import httpx
import requests.utils
from yarl import URL

for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
    del os.environ[name]
os.environ["HTTPS_PROXY"] = "http://proxy.example:3128"
server = "https://10.96.0.1/apis"


def by_httpx() -> str:
    try:
        with httpx.Client() as client:
            transport = client._transport_for_url(httpx.URL(server))
            return "direct" if transport is client._transport else "proxy"
    except httpx.InvalidURL as error:
        return f"InvalidURL: {str(error).split(':')[0]}"


def by_aiohttp() -> str:
    try:
        aiohttp.helpers.get_env_proxy_for_url(URL(server))
    except LookupError:
        return "direct"
    return "proxy"


for entry in ("10.96.0.1", "10.0.0.0/8", "fd00::/8", "[::1]"):
    os.environ["NO_PROXY"] = entry
    by_requests = "direct" if requests.utils.should_bypass_proxies(server, None) else "proxy"
    print(f"{entry}: requests {by_requests}, aiohttp {by_aiohttp()}, httpx {by_httpx()}")
PY
env/bin/python ask.py | tee seen
diff seen - <<'EXPECTED'
10.96.0.1: requests direct, aiohttp direct, httpx direct
10.0.0.0/8: requests direct, aiohttp proxy, httpx proxy
fd00::/8: requests proxy, aiohttp proxy, httpx InvalidURL: Invalid port
[::1]: requests proxy, aiohttp proxy, httpx InvalidURL: Invalid port
EXPECTED
echo "as described"
