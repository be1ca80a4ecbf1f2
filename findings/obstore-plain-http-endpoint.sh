#!/usr/bin/env bash
# AWS_ENDPOINT_URL=http://…, as the command lines of S3 take it: which client of Python sends its request there.
#
# Versions: boto3 1.40.40, obstore 0.12.1 (object_store, which reads the same variable).
# Seen: boto3 stores the object. obstore refuses by "HTTP error: builder error" before anything is sent, and does not say that the address is not
#   encrypted; it wants AWS_ALLOW_HTTP=true besides, a variable that no tool of Amazon's knows.
# Why it matters: a Secret that works for the command line and for boto3 with a store of one's own (MinIO, Ceph) does not for the same bucket here.
# Fails when one of the answers is another one.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check boto3==1.40.40 obstore==0.12.1
cat > ask.py <<'PY'
import http.server
import os
import threading


class Bucket(http.server.BaseHTTPRequestHandler):
    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("ETag", '"1"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


server = http.server.HTTPServer(("127.0.0.1", 0), Bucket)
threading.Thread(target=server.serve_forever, daemon=True).start()
for name in [name for name in os.environ if name.startswith("AWS_") or name.lower().endswith("_proxy")]:
    del os.environ[name]
os.environ.update(AWS_ENDPOINT_URL=f"http://127.0.0.1:{server.server_port}", AWS_REGION="us-east-1")
os.environ.update(AWS_ACCESS_KEY_ID="key", AWS_SECRET_ACCESS_KEY="secret")

import boto3  # noqa: E402
import obstore.store  # noqa: E402

boto3.client("s3", region_name="us-east-1").put_object(Bucket="bucket", Key="key", Body=b"")
print("boto3: stored")
for allow in (None, "true"):
    if allow:
        os.environ["AWS_ALLOW_HTTP"] = allow
    try:
        obstore.store.from_url("s3://bucket").put("key", b"")
        answer = "stored"
    except Exception as error:
        answer = str(error).split("\n")[0].rpartition(" - ")[2]
    print(f"obstore, AWS_ALLOW_HTTP={allow}: {answer}")
PY
env/bin/python ask.py | tee seen
diff seen - <<'EXPECTED'
boto3: stored
obstore, AWS_ALLOW_HTTP=None: HTTP error: builder error
obstore, AWS_ALLOW_HTTP=true: stored
EXPECTED
echo "as described"
