"""Who is asking: the administrator's token, and tokens of ServiceAccounts (TokenRequest), signed and checked here.

A ServiceAccount's token is a JWT with the claims that clients of a real cluster see; it dies with its expiry, with its account, and
with the pod that it is bound to. What its holder may do is the matter of `authorization` and `admission`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .status import ApiError, FieldError, bad_request, conflict, invalid, not_found
from .verbs import timestamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from .store import Object, Store

ISSUER = "https://kubernetes.default.svc"
_ACCOUNTS, _PODS = "serviceaccounts.", "pods."
_SECRETS = "secrets."


@dataclass(frozen=True, slots=True)
class User:
    """An authenticated client."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: dict[str, list[str]] = field(default_factory=dict)

    def info(self) -> dict[str, Any]:
        """Return the client as reviews and policies see it."""
        return {"username": self.name, "uid": self.uid, "groups": list(self.groups), "extra": self.extra}


class Tokens:
    """Makes and checks bearer tokens.

    Args:
        admin: the administrator's token.
        store: where accounts and pods are.
        clock: seconds since the epoch.
        key: signs the tokens.
    """

    def __init__(self, admin: str, store: Store, clock: Callable[[], float], key: bytes) -> None:
        self._admin = admin
        self._store = store
        self._clock = clock
        self._key = key

    def authenticate(self, header: str) -> User:
        """Return who an Authorization header belongs to.

        Raises:
            ApiError: 401.
        """
        scheme, _, token = header.partition(" ")
        if scheme.lower() == "bearer" and token:
            if hmac.compare_digest(token.strip().encode(), self._admin.encode()):
                return User("penstock-dev", ("system:masters", "system:authenticated"))
            found = self._account(token.strip())
            if found is not None:
                return found
        raise ApiError("Unauthorized", "Unauthorized")

    def _account(self, token: str) -> User | None:
        claims = self._claims(token)
        if claims is None or claims.get("exp", 0) <= self._clock():
            return None
        about = claims.get("kubernetes.io", {})
        namespace, account = about.get("namespace", ""), about.get("serviceaccount", {})
        stored = self._store.get(_ACCOUNTS, namespace, account.get("name", ""))
        if stored is None or stored["metadata"]["uid"] != account.get("uid"):
            return None
        extra = {"authentication.kubernetes.io/credential-id": [f"JTI={claims.get('jti', '')}"]}
        pod = about.get("pod")
        if pod:
            bound = self._store.get(_PODS, namespace, pod["name"])
            if bound is None or bound["metadata"]["uid"] != pod["uid"]:
                return None
            extra["authentication.kubernetes.io/pod-name"] = [pod["name"]]
            extra["authentication.kubernetes.io/pod-uid"] = [pod["uid"]]
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
        return User(f"system:serviceaccount:{namespace}:{account['name']}", groups, account["uid"], extra)

    def _claims(self, token: str) -> dict[str, Any] | None:
        parts = token.split(".")
        if len(parts) != 3:
            return None
        try:
            if not hmac.compare_digest(_decode(parts[2]), self._signature(f"{parts[0]}.{parts[1]}")):
                return None
            claims = json.loads(_decode(parts[1]))
        except (ValueError, binascii.Error):
            return None
        return claims if isinstance(claims, dict) else None

    def _signature(self, text: str) -> bytes:
        return hmac.new(self._key, text.encode(), hashlib.sha256).digest()

    def request(self, namespace: str, name: str, body: Any, jti: str) -> Object:
        """Answer a TokenRequest for a ServiceAccount.

        Args:
            namespace: of the account.
            name: of the account.
            body: the TokenRequest.
            jti: the token's own id.

        Raises:
            ApiError: no such account; bound to something that is not there; a lifetime under 10 minutes.
        """
        account = self._store.get(_ACCOUNTS, namespace, name)
        if account is None:
            raise not_found("", "serviceaccounts", name)
        spec = dict((body or {}).get("spec") or {})
        seconds = spec.get("expirationSeconds") or 3600
        if not isinstance(seconds, int) or seconds < 600:
            error = FieldError(
                "FieldValueInvalid",
                "spec.expirationSeconds",
                f"Invalid value: {seconds}: may not specify a duration less than 10 minutes",
            )
            raise invalid("authentication.k8s.io", "TokenRequest", "", [error])
        spec["expirationSeconds"] = seconds
        spec["audiences"] = spec.get("audiences") or [ISSUER]
        about: dict[str, Any] = {
            "namespace": namespace,
            "serviceaccount": {"name": name, "uid": account["metadata"]["uid"]},
        }
        bound = spec.get("boundObjectRef")
        spec.setdefault("boundObjectRef", None)
        if bound:
            about[bound.get("kind", "").lower()] = self._bound(namespace, bound)
        now = int(self._clock())
        claims = {
            "aud": spec["audiences"],
            "exp": now + seconds,
            "iat": now,
            "iss": ISSUER,
            "jti": jti,
            "kubernetes.io": about,
            "nbf": now,
            "sub": f"system:serviceaccount:{namespace}:{name}",
        }
        head = _encode(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
        text = f"{head}.{_encode(json.dumps(claims).encode())}"
        return {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "uid": account["metadata"]["uid"],
                "creationTimestamp": timestamp(now),
            },
            "spec": spec,
            "status": {
                "token": f"{text}.{_encode(self._signature(text))}",
                "expirationTimestamp": timestamp(now + seconds),
            },
        }

    def _bound(self, namespace: str, bound: dict[str, Any]) -> dict[str, str]:
        buckets = {"Pod": (_PODS, "pods"), "Secret": (_SECRETS, "secrets")}
        if bound.get("apiVersion") != "v1" or bound.get("kind") not in buckets:
            raise bad_request(
                f"cannot bind token to object of type {bound.get('apiVersion', '')}, Kind={bound.get('kind', '')}"
            )
        bucket, plural = buckets[bound["kind"]]
        found = self._store.get(bucket, namespace, bound.get("name", ""))
        if found is None:
            raise not_found("", plural, bound.get("name", ""))
        uid: str = found["metadata"]["uid"]
        if bound.get("uid") not in (None, "", uid):
            why = (
                f"the UID in the bound object reference ({bound['uid']}) does not match the UID in record. "
                "The object might have been deleted and then recreated"
            )
            raise conflict("", bound["kind"], bound["name"], why)
        return {"name": bound["name"], "uid": uid}


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
