"""How engine, operator and command line reach the API server: proxies as client-go has them, certificates too."""

from __future__ import annotations

import asyncio
import http.server
import json
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from penstock.kube.client import KubeClient
from penstock.kube.credentials import TokenFile
from penstock.kube.proxies import proxy_for as engine_proxy
from penstock.pod import environment
from penstock_cli.api import Api
from penstock_operator.runtime.credentials import Credentials, Endpoint
from penstock_operator.runtime.proxies import proxy_for as operator_proxy
from penstock_operator.runtime.wire import AiohttpWire
from tests.pod.conftest import StartPod
from tests.support.pod_server import PodServer

PROXY = "http://proxy:3128"
CLUSTER = "https://10.96.0.1:443"
SIX = "https://[fd00:10::1]:6443"
NAMED = "https://api.prod.example:6443"

# By Go's rules: golang.org/x/net/http/httpproxy.
DIRECT = [
    (CLUSTER, "10.0.0.0/8,.svc,.cluster.local"),
    (CLUSTER, "10.96.0.1"),
    (CLUSTER, " 10.96.0.1 , x"),
    (CLUSTER, "10.96.0.1:443"),
    (CLUSTER, "10.96.3.3/12"),
    (CLUSTER, "::ffff:10.96.0.1"),
    (CLUSTER, "*"),
    (CLUSTER, "a,*"),
    (SIX, "fd00::/8"),
    (SIX, "fd00:10::1"),
    (SIX, "[fd00:10::1]"),
    (SIX, "[fd00:10:0::1]:6443"),
    (NAMED, "example"),
    (NAMED, ".example"),
    (NAMED, "*.prod.example"),
    (NAMED, "API.prod.Example"),
    (NAMED, "api.prod.example:6443"),
    ("https://api.prod.example.", "api.prod.example"),
    ("https://api.prod.example", "api.prod.example:443"),
]
PROXIED = [
    (CLUSTER, ""),
    (CLUSTER, ","),
    (CLUSTER, "11.0.0.0/8,fd00::/8,[::1]"),
    (CLUSTER, "10.96.0.1:6443"),
    (CLUSTER, "10.96.0.1/33,10.96.0"),
    (CLUSTER, ":443"),
    (SIX, "10.0.0.0/8,[fd00:10::2],[fd00:10::1]:443"),
    (NAMED, "prod.exampl,pi.prod.example,.api.prod.example,*.api.prod.example"),
    (NAMED, "api.prod.example:443,.example:443"),
]
BOTH = pytest.mark.parametrize("proxy_for", [engine_proxy, operator_proxy], ids=["engine", "operator"])
ProxyFor = Callable[[str, Mapping[str, str]], str | None]


@BOTH
@pytest.mark.parametrize(
    ("server", "no_proxy", "want"),
    [*((server, entry, None) for server, entry in DIRECT), *((server, entry, PROXY) for server, entry in PROXIED)],
)
@pytest.mark.parametrize("case", [str.upper, str.lower])
def test_whom_no_proxy_names(
    proxy_for: ProxyFor, server: str, no_proxy: str, want: str | None, case: Callable[[str], str]
) -> None:
    assert proxy_for(server, {case("https_proxy"): PROXY, case("no_proxy"): no_proxy}) == want


@BOTH
@pytest.mark.parametrize(
    ("server", "environ", "want"),
    [
        (CLUSTER, {}, None),
        (CLUSTER, {"HTTP_PROXY": PROXY}, None),
        (CLUSTER, {"ALL_PROXY": PROXY}, None),
        (CLUSTER, {"HTTPS_PROXY": "proxy:3128"}, PROXY),
        (CLUSTER, {"HTTPS_PROXY": PROXY, "https_proxy": "http://other:1"}, PROXY),
        (CLUSTER, {"HTTPS_PROXY": "", "https_proxy": PROXY}, PROXY),
        ("http://10.96.0.1", {"HTTP_PROXY": PROXY, "HTTPS_PROXY": "http://other:1"}, PROXY),
        ("http://10.96.0.1", {"HTTP_PROXY": PROXY, "REQUEST_METHOD": "GET"}, None),
        ("https://127.0.0.1:6443", {"HTTPS_PROXY": PROXY}, None),
        ("https://127.9.9.9", {"HTTPS_PROXY": PROXY}, None),
        ("https://[::1]:6443", {"HTTPS_PROXY": PROXY}, None),
        ("https://localhost:6443", {"HTTPS_PROXY": PROXY}, None),
        ("https://localhost.example", {"HTTPS_PROXY": PROXY}, PROXY),
    ],
)
def test_which_variable_counts(proxy_for: ProxyFor, server: str, environ: dict[str, str], want: str | None) -> None:
    assert proxy_for(server, environ) == want


POD = {
    "PENSTOCK_NAMESPACE": "n",
    "PENSTOCK_FLOWRUN": "r",
    "PENSTOCK_FLOWRUN_UID": "u",
    "PENSTOCK_ATTEMPT": "1",
    "POD_NAME": "p",
}
IN_CLUSTER = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}


@pytest.mark.parametrize(
    ("where", "proxy"),
    [
        (IN_CLUSTER, None),
        ({"PENSTOCK_API_SERVER": NAMED}, PROXY),
        ({"PENSTOCK_API_SERVER": NAMED, "NO_PROXY": ".example"}, None),
    ],
    ids=["the cluster's own", "named", "named, and excepted"],
)
def test_a_flows_proxies_do_not_cut_the_engine_off(where: dict[str, str], proxy: str | None) -> None:
    """The cluster's own API server is never beyond one; another server is reached as client-go would."""
    assert environment.parse({**POD, **where, "HTTPS_PROXY": PROXY}).proxy == proxy


def test_a_server_that_is_no_url() -> None:
    with pytest.raises(environment.ConfigurationError, match="PENSTOCK_API_SERVER"):
        environment.parse({**POD, "PENSTOCK_API_SERVER": "https://api:port", "HTTPS_PROXY": PROXY})


def client(server: str, proxy: str | None = None, ca: str = "") -> KubeClient:
    return KubeClient(server, TokenFile("/nowhere"), ca, proxy)


def test_a_request_goes_through_the_proxy(server: PodServer) -> None:
    with closing(client("http://api.example", server.url)) as one:
        answer = one.patch("/x", [{"op": "add", "path": "/metadata/x", "value": 1}], 5.0)
    assert answer.status == 200, answer
    assert server.requests[0].path == "http://api.example/x"


@pytest.mark.parametrize("proxy", ["http://user:secret@127.0.0.1:9", "socks5://user:secret@127.0.0.1:9"])
def test_a_dead_proxy_is_named_and_its_password_is_not(proxy: str) -> None:
    with closing(client("http://api.example", proxy)) as one:
        one.prepare()
        problem = one.patch("/x", [], 5.0).problem
    assert f"to http://api.example through the proxy {proxy.replace('user:secret@', '')}" in problem
    assert "NO_PROXY" in problem
    assert "secret" not in problem


BEYOND = {"PENSTOCK_API_SERVER": "http://api.example", "HTTP_PROXY": "http://127.0.0.1:9"}


def test_a_claim_that_does_not_get_through_says_why(start: StartPod, server: PodServer) -> None:
    pod = start("@flow\ndef main(): ...\n", env=BEYOND)
    pod.wait_for(lambda: "The claim has not got through yet" in pod.output, "word of it")
    pod.wait_for(lambda: "through the proxy http://127.0.0.1:9" in pod.output, "word of the proxy")


def test_a_claim_that_never_got_through_says_why(start: StartPod, server: PodServer) -> None:
    pod = start("@flow\ndef main(): ...\n", env={**BEYOND, "PENSTOCK_POD_CLAIM_TIMEOUT_SECONDS": "0.2"})
    assert pod.wait() == 70, pod.output
    assert "through the proxy http://127.0.0.1:9" in pod.termination["message"]


# -- certificates --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plain_certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A server's certificate as `openssl x509 -req` makes it: without an authority key identifier."""
    folder = tmp_path_factory.mktemp("pki")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", "-subj", "/CN=ca")
    openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=server")
    (folder / "names").write_text(
        "subjectAltName=IP:127.0.0.1\nauthorityKeyIdentifier=none\nsubjectKeyIdentifier=none\n"
    )
    openssl(
        "x509",
        "-req",
        "-in",
        "server.csr",
        "-CA",
        "ca.crt",
        "-CAkey",
        "ca.key",
        "-days",
        "2",
        "-out",
        "server.crt",
        "-extfile",
        "names",
    )
    return folder


@pytest.fixture
def plain_server(plain_certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An API server with that certificate, and a Python that is strict by default, as 3.13 is."""
    made = ssl.create_default_context

    def strict(*arguments: object, **options: object) -> ssl.SSLContext:
        context = made(*arguments, **options)  # type: ignore[arg-type]
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", strict)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = json.dumps({"kind": "Status"}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_PATCH(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(plain_certificate / "server.crt", plain_certificate / "server.key")
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def credentials(server: str, folder: Path) -> Credentials:
    return Credentials(Endpoint(server, "default", ca=(folder / "ca.crt").read_text()), lambda: "t", clock=lambda: 0.0)


def test_the_engine_takes_a_certificate_that_client_go_takes(plain_server: str, plain_certificate: Path) -> None:
    with closing(client(plain_server, ca=str(plain_certificate / "ca.crt"))) as one:
        answer = one.patch("/x", [], 5.0)
    assert (answer.status, answer.problem) == (200, "")


def test_operator_and_command_line_take_it(plain_server: str, plain_certificate: Path) -> None:
    found = credentials(plain_server, plain_certificate)
    with Api(found) as api:
        assert api.get("/x") == {"kind": "Status"}

    async def main() -> int:
        wire = AiohttpWire(found, "test")
        try:
            return (await wire.send("GET", "/x", query={}, headers={}, content=None)).status
        finally:
            await wire.close()

    assert asyncio.run(main()) == 200
