"""The page in the cluster, on a real API server: each request is answered with the rights of the token that it brings, and with no others.

The program is the one of the chart's Deployment. It is asked by several persons at once, with tokens that are good, withdrawn, expired,
somebody else's and none; what it sends to the API server is read in that server's audit log.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.security.stage import OURS, THEIRS, Stage, flow_run, path
from tests.support.cluster import die_with_parent
from tests.support.jwt import make_key, signed
from tests.support.realserver import RealServer
from tests.support.world import RBAC, until

pytestmark = pytest.mark.real
RECHECK = 1
LEEWAY = 60  # seconds that an API server accepts a token beyond its end
SECRET = "theirs-only"
# There is no TLS here: who made no context for it need not read all of the machine's authorities, at every request.
PLAIN: dict[str, Any] = {"trust_env": False, "verify": False, "timeout": 20}


@dataclass
class Page:
    """The program, and who asks it.

    Attributes:
        stage: the API server.
        url: of the page.
    """

    stage: Stage
    url: str

    def get(self, where: str, token: str = "", **headers: str) -> httpx.Response:
        """Ask for a page with a token, or with none."""
        if token:
            headers["Authorization"] = f"Bearer {token}"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.get(self.url + where, headers=named, **PLAIN)

    def post(self, where: str, **form: str) -> httpx.Response:
        headers = {"Sec-Fetch-Site": form.pop("site", "same-origin")}
        return httpx.post(self.url + where, data=form, headers=headers, **PLAIN)


@dataclass
class Stream:
    """What a live page is sent; read in a thread of its own."""

    page: Page
    where: str
    token: str
    text: str = ""
    status: int = 0
    ended: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        headers = {"Authorization": f"Bearer {self.token}"}
        try:
            with httpx.stream("GET", self.page.url + self.where, headers=headers, **PLAIN | {"timeout": 60}) as answer:
                self.status = answer.status_code
                for part in answer.iter_text():
                    self.text += part
        except httpx.HTTPError as error:
            self.text += f"\n{error!r}"
        self.ended.set()


@pytest.fixture(scope="module")
def page(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The chart's program, with the address and the certificates of the stage's server."""
    world, server = stage.world, stage.server
    assert isinstance(server, RealServer)
    world.make(path(THEIRS, "flowruns"), flow_run(SECRET, flowSpec={"entrypoint": "a.py:f"}))
    log = tmp_path_factory.mktemp("page") / "log"
    command = [
        sys.executable, "-m", "penstock_ui", "--host", "127.0.0.1", "--port", "0", "--log-format", "text",
        "--server", server.url, "--certificate-authority", str(server.ca), "--recheck-seconds", str(RECHECK),
    ]  # fmt: skip
    # What a pod does not have must not help: no kubeconfig, no service account.
    env = {name: value for name, value in os.environ.items() if "KUBE" not in name}
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=env, preexec_fn=die_with_parent)
    try:
        found: list[str] = []

        def serving() -> bool:
            assert process.poll() is None, log.read_text()
            found[:] = re.findall(r"serving on port (\d+)", log.read_text())
            return bool(found)

        until("the page is served", serving)
        yield Page(stage, f"http://127.0.0.1:{found[0]}")
        text = log.read_text()
        assert "Traceback" not in text, text
        assert "eyJ" not in text, "a token in the log"
    finally:
        process.terminate()
        assert process.wait(10) == 0


_people = iter(range(1, 1000))


def person(stage: Stage, *namespaces: str, home: str = OURS) -> tuple[str, str]:
    """Make a ServiceAccount that may view these namespaces; return its name and a token."""
    name = f"person-{next(_people)}"
    stage.world.make(path(home, "serviceaccounts"), {"metadata": {"name": name}})
    for namespace in namespaces:
        subject = {"kind": "ServiceAccount", "name": name, "namespace": home}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
        body = {"metadata": {"name": name}, "roleRef": role, "subjects": [subject]}
        stage.world.make(f"{RBAC}/namespaces/{namespace}/rolebindings", body)
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    return name, str(stage.world.make(path(home, "serviceaccounts", name, "token"), body)["status"]["token"])


def forged(server: RealServer, account: dict[str, Any], end: float, key: Path | None = None) -> str:
    """Sign a ServiceAccount's token that ends at a moment, as the API server would, or with another key."""

    issuer, metadata = "https://kubernetes.default.svc", account["metadata"]
    claims = {
        "iss": issuer, "aud": [issuer], "iat": int(end) - 3600, "nbf": int(end) - 3600, "exp": int(end),
        "sub": f"system:serviceaccount:{metadata['namespace']}:{metadata['name']}",
        "kubernetes.io": {
            "namespace": metadata["namespace"],
            "serviceaccount": {"name": metadata["name"], "uid": metadata["uid"]},
        },
    }  # fmt: skip
    return signed(claims, key or server.folder / "sa.key")


def account_of(stage: Stage, name: str) -> dict[str, Any]:
    """A ServiceAccount as it is stored."""
    return stage.world.call("GET", path(OURS, "serviceaccounts", name)).body


def shows(page: Page, where: str, token: str, text: str) -> Callable[[], bool]:
    """Whether a page has a text by now."""
    return lambda: text in page.get(where, token).text


EVERYWHERE = (
    "/", "/runs", "/runs.live", f"/runs/{OURS}/waiting", f"/runs/{OURS}/waiting/live", f"/runs/{OURS}/waiting/log.txt",
    "/flows", f"/flows/{OURS}/secretive", "/groups.live", "/operator", "/no/such/page",
)  # fmt: skip


@pytest.mark.parametrize("where", EVERYWHERE)
def test_without_a_token(page: Page, where: str) -> None:
    """Nothing, on any path; and no request goes on to the API server."""
    answer = page.get(where)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert "waiting" not in answer.text.replace(f"{OURS}/waiting", "")
    assert 'action="/signin"' in answer.text


def test_probes_and_looks_are_for_all(page: Page) -> None:
    """A kubelet has no token; style and script hold nobody's data."""
    for where in ("/livez", "/readyz"):
        assert page.get(where).status_code == 200
    looks = re.findall(r'"(/static/[^"]+)"', page.get("/runs").text)
    assert looks
    assert {page.get(where).status_code for where in looks} == {200}


@pytest.mark.parametrize(
    "headers",
    [
        {"X_Forwarded_User": "admin", "X_Forwarded_Email": "admin@example.com", "X_Forwarded_Groups": "system:masters"},
        {"Impersonate_User": "admin", "X_Remote_User": "admin"},
        {"Authorization": "Basic YWRtaW46YWRtaW4="},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer a b"},
        {"Authorization": "Bearer no-token-of-this-cluster"},
        {"X_Forwarded_Access_Token": "x" * 20_000},
        {"Cookie": "penstock-token=no-token-of-this-cluster"},
    ],
    ids=lambda headers: "+".join(headers),
)
def test_nobody_is_taken_at_their_word(page: Page, headers: dict[str, str]) -> None:
    """Names prove nothing, and what is no token of this cluster neither."""
    assert page.get("/runs", **headers).status_code == 401


def test_each_sees_their_own(page: Page, stage: Stage) -> None:
    """Two persons of two namespaces, in turn and again: what one was shown is never another's."""
    _, ours = person(stage, OURS)
    _, theirs = person(stage, THEIRS)
    for _ in range(2):
        for token, mine, other, run, foreign in (
            (ours, OURS, THEIRS, "waiting", SECRET),
            (theirs, THEIRS, OURS, SECRET, "waiting"),
        ):
            until("the list is whole", shows(page, f"/runs?namespace={mine}", token, run))
            shown = page.get("/runs", token)
            assert shown.status_code == 200
            assert foreign not in shown.text
            assert page.get(f"/runs/{mine}/{run}", token).status_code == 200
            assert page.get(f"/runs?namespace={other}", token).status_code == 403
            there, nowhere = (page.get(f"/runs/{other}/{name}", token) for name in (foreign, "no-such-run"))
            assert (there.status_code, nowhere.status_code) == (403, 403)
            assert there.text == nowhere.text, "a refusal tells whether a run exists"


def test_flows_are_ones_own_too(page: Page, stage: Stage) -> None:
    """The other pages take what they show from the same place."""
    _, ours = person(stage, OURS)
    _, theirs = person(stage, THEIRS)
    until("the list is whole", shows(page, f"/flows?namespace={OURS}", ours, "secretive"))
    assert page.get(f"/flows/{OURS}/secretive", ours).status_code == 200
    assert page.get(f"/flows?namespace={THEIRS}", theirs).status_code == 200
    for where in ("/flows", "/groups", "/operator"):
        assert "secretive" not in page.get(where, theirs).text
    assert page.get(f"/flows/{OURS}/secretive", theirs).status_code == 403


def test_a_name_beside_a_token_changes_nothing(page: Page, stage: Stage) -> None:
    """The token decides; nothing of the request's other headers is sent on."""
    _, token = person(stage, OURS)
    claims = {"X_Forwarded_User": "admin", "Impersonate_User": "admin", "Impersonate_Group": "system:masters"}
    assert page.get(f"/runs?namespace={OURS}", token, **claims).status_code == 200
    assert page.get(f"/runs?namespace={THEIRS}", token, **claims).status_code == 403


@pytest.mark.parametrize("header", ["Authorization", "X_Forwarded_Access_Token"])
def test_what_a_proxy_passes(page: Page, stage: Stage, header: str) -> None:
    """Both ways of oauth2-proxy; and the page says who one is."""
    name, token = person(stage, OURS)
    value = f"Bearer {token}" if header == "Authorization" else token
    answer = page.get(f"/runs?namespace={OURS}", **{header: value})
    assert answer.status_code == 200
    assert f"system:serviceaccount:{OURS}:{name}" in answer.text
    assert "Sign out" not in answer.text, "what the proxy passes is the proxy's to take back"


def test_a_token_that_is_no_token_is_not_passed_over(page: Page, stage: Stage) -> None:
    """Who sends a bad one beside a good cookie is not taken for the cookie's person."""
    _, token = person(stage, OURS)
    answer = page.get(f"/runs?namespace={OURS}", Authorization="Bearer <x>", Cookie=f"penstock-token={token}")
    assert answer.status_code == 401


def test_who_may_list_nowhere(page: Page, stage: Stage) -> None:
    """Is told so, and may name a namespace; and sees it as soon as the right is there."""
    name, token = person(stage)
    assert page.get("/runs", token).status_code == 403
    assert 'name="namespace"' in page.get("/runs", token).text
    subject = {"kind": "ServiceAccount", "name": name, "namespace": OURS}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
    body = {"metadata": {"name": name}, "roleRef": role, "subjects": [subject]}
    stage.world.make(f"{RBAC}/namespaces/{OURS}/rolebindings", body)
    until("the right is known", lambda: page.get(f"/runs?namespace={OURS}", token).status_code == 200)
    assert page.get("/runs?namespace=..%2f..", token).status_code == 403


def test_live_for_those_who_may(page: Page, stage: Stage) -> None:
    """A run that is made now comes to one person's stream and not to another's."""
    _, ours = person(stage, OURS)
    _, theirs = person(stage, THEIRS)
    name = f"new-{next(_people)}"
    mine, other = (
        Stream(page, f"/runs.live?namespace={OURS}", ours),
        Stream(page, f"/runs.live?namespace={THEIRS}", theirs),
    )
    until("both are live", lambda: "waiting" in mine.text and SECRET in other.text)
    stage.world.make(path(OURS, "flowruns"), flow_run(name, flowSpec={"entrypoint": "a.py:f"}))
    until("the run comes", lambda: name in mine.text)
    assert name not in other.text


def test_a_stream_ends_with_the_rights(page: Page, stage: Stage) -> None:
    """The reader is sent away, soon; what was there is not shown again. All at once: each takes what an API server remembers a token for."""
    server = stage.server
    assert isinstance(server, RealServer)
    (bound, of_bound), (made, of_made), (ending, _) = (person(stage, OURS) for _ in range(3))
    expiring = forged(server, account_of(stage, ending), time.time() - LEEWAY + 5)
    places = (f"/runs.live?namespace={OURS}", f"/runs/{OURS}/waiting/live")
    streams = [Stream(page, where, token) for token in (of_bound, of_made, expiring) for where in places]
    until("all are live", lambda: all("waiting" in each.text for each in streams))
    gone = (f"{RBAC}/namespaces/{OURS}/rolebindings/{bound}", path(OURS, "serviceaccounts", made))
    assert [stage.world.call("DELETE", where).code for where in gone] == [200, 200]
    until("the streams end", lambda: all(each.ended.is_set() for each in streams))
    for stream in streams:
        assert stream.status == 200
        assert stream.text.rstrip().endswith("event: leave\ndata: {}")
        for where in ("/runs", stream.where, f"/runs?namespace={OURS}", f"/runs/{OURS}/waiting"):
            assert page.get(where, stream.token).status_code == (403 if stream.token == of_bound else 401)


def test_an_expired_token(page: Page, stage: Stage) -> None:
    """Refused before anything is made of it; one that is still good a little is taken."""
    server = stage.server
    assert isinstance(server, RealServer)
    account, now = account_of(stage, person(stage, OURS)[0]), time.time()
    assert page.get(f"/runs?namespace={OURS}", forged(server, account, now - LEEWAY - 30)).status_code == 401
    assert page.get(f"/runs?namespace={OURS}", forged(server, account, now + 30)).status_code == 200


def test_a_token_of_another_issuer(page: Page, stage: Stage, tmp_path: Path) -> None:
    """The same claims, signed by somebody else."""
    server = stage.server
    assert isinstance(server, RealServer)
    name, _ = person(stage, OURS)
    key = tmp_path / "key"
    make_key(key)
    answer = page.get(f"/runs?namespace={OURS}", forged(server, account_of(stage, name), time.time() + 600, key))
    assert answer.status_code == 401


def test_the_form(page: Page, stage: Stage) -> None:
    """A token becomes a cookie that scripts and other sites do not get; signing out takes it back."""
    _, token = person(stage, OURS)
    answer = page.post("/signin", token=token, next=f"/runs?namespace={OURS}")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/runs?namespace={OURS}")
    cookie = answer.headers["Set-Cookie"]
    assert all(word in cookie for word in ("penstock-token=", "HttpOnly", "SameSite=Lax", "Path=/"))
    assert "Max-Age" not in cookie
    shown = page.get(answer.headers["Location"], Cookie=cookie.split(";")[0])
    assert shown.status_code == 200
    assert "Sign out" in shown.text
    assert 'penstock-token=""' in page.post("/signout").headers["Set-Cookie"]
    assert page.post("/signout", site="cross-site").status_code == 403


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"token": "no-token"}, 401),
        ({"token": ""}, 401),
        ({"token": "a; Path=/x"}, 401),
        ({"token": "x" * 4000}, 401),
        ({"token": "x", "site": "cross-site"}, 403),
    ],
    ids=["another cluster's", "empty", "with an attribute", "too long", "from another site"],
)
def test_what_the_form_refuses(page: Page, form: dict[str, str], status: int) -> None:
    """No cookie for what is no token, or comes from another site."""
    answer = page.post("/signin", **form)
    assert answer.status_code == status
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "after", ["//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:alert", ""]
)
def test_one_stays_on_this_server(page: Page, stage: Stage, after: str) -> None:
    """The address to go to afterwards is one of this server's."""
    _, token = person(stage, OURS)
    assert page.post("/signin", token=token, next=after).headers["Location"] == "/runs"


def test_what_it_asked_the_api_server(page: Page, stage: Stage) -> None:
    """All as the persons who asked, reads and reviews only: it has nothing of its own, and lends nobody anything."""
    server = stage.server
    assert isinstance(server, RealServer)
    _, token = person(stage, OURS)
    until("there is a list", lambda: "waiting" in page.get(f"/runs?namespace={OURS}", token).text)
    asked = [line for line in server.audit() if line.get("userAgent") == "penstock-ui"]
    assert len(asked) > 3
    accepted = [line for line in asked if line["responseStatus"]["code"] != 401]
    assert {line["user"]["username"].split(":person-")[0] for line in accepted} <= {
        f"system:serviceaccount:{namespace}" for namespace in (OURS, THEIRS)
    }
    assert not [line for line in asked if line.get("impersonatedUser")]
    verbs = {
        (line["verb"], line["objectRef"]["resource"]) for line in asked if line["verb"] not in ("get", "list", "watch")
    }
    assert verbs == {("create", "selfsubjectreviews"), ("create", "selfsubjectaccessreviews")}
