"""Who asks: names, tokens and operators, over real HTTP."""

import base64
import hmac
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from pydantic import SecretStr, ValidationError

from ingest_pipeline.api.app import create_app, serve
from ingest_pipeline.api.auth import UsersError, hash_password
from ingest_pipeline.settings import PROJECT_ROOT, Settings, SettingsError, child_environment
from ingest_pipeline.system import System
from ingest_pipeline_tests.api.serving import ALICE, serving
from ingest_pipeline_tests.embedded import free_port

SECRET = "0123456789abcdef" * 4  # long enough for HS512 too, which is not ours
RSA = rsa.generate_private_key(65537, 2048)
OTHER_RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())

GUARDED = [
    ("GET", "/assets?limit=1"),
    ("GET", "/asset/x.wav"),
    ("POST", "/asset"),
    ("DELETE", "/asset/x.wav"),
    ("GET", "/rejections"),
    ("GET", "/object/ingest/x.wav/history"),
    ("GET", "/health"),
]


def pem(key: Any) -> str:
    public: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return public.decode()


def private_pem(key: Any) -> str:
    raw: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return raw.decode()


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    given = {"sub": "alice", "exp": now + 86_400, "iat": now} | changes
    return {name: value for name, value in given.items() if value is not None}


def token(key: Any = SECRET, algorithm: str = "HS256", **changes: Any) -> str:
    return jwt.encode(claims(**changes), key, algorithm)


def by_hand(header: dict[str, Any], payload: dict[str, Any], secret: bytes | None) -> str:
    """A token that no library makes: signed with any bytes, or not at all."""
    parts = [_text(json.dumps(part).encode()) for part in (header, payload)]
    signed = ".".join(parts)
    signature = hmac.digest(secret, signed.encode(), sha256) if secret is not None else b""
    return f"{signed}.{_text(signature)}"


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def share(api: httpx.Client, header: str | bytes | None) -> httpx.Response:
    headers = {} if header is None else {"Authorization": header}
    return api.post("/posts", json={"title": "a", "body": "b"}, headers=headers)  # type: ignore[arg-type]


def users_of(api: httpx.Client, response: httpx.Response) -> str:
    """The user to whom a new post belongs."""
    (user,) = (
        post["user"]
        for post in api.get("/posts").json()
        if post["id"] == "POST#" + response.headers["Location"].rpartition("/")[2]
    )
    return str(user)


def with_settings(system: System, **changes: Any) -> System:
    return System(system.config.model_copy(update=changes))


@contextmanager
def token_api(system: System, **changes: Any) -> Iterator[httpx.Client]:
    with serving(with_settings(system, auth="jwt", **changes)) as client:
        yield client


@pytest.fixture(scope="module")
def secret_api(system: System) -> Iterator[httpx.Client]:
    with token_api(system, jwt_key=SecretStr(SECRET)) as client:
        yield client


@pytest.fixture(scope="module")
def rsa_api(system: System) -> Iterator[httpx.Client]:
    with token_api(
        system, jwt_key=SecretStr(pem(RSA)), jwt_audience="posts", jwt_issuer="https://id"
    ) as client:
        yield client


# Names


@pytest.mark.parametrize(
    ("header", "user"),
    [
        (b"alice", "alice"),
        ("Zoë".encode(), "Zoë"),
        ("Zoë".encode("latin-1"), "Zoë"),  # as browsers send it
        ("日本".encode(), "日本"),
        (b"a b#c%d?e", "a b#c%d?e"),
        (b"Bearer x", "Bearer x"),
        (b"u" * 255, "u" * 255),
    ],
)
def test_the_header_is_the_user(api: httpx.Client, header: bytes, user: str) -> None:
    response = share(api, header)
    assert response.status_code == 200
    assert users_of(api, response) == f"USER#{user}"


@pytest.mark.parametrize(
    "header",
    [None, b"", b".", b"..", b"a/b", b"/", b"../x", b"u" * 256, "ä".encode() * 128,
     "a\u202eb".encode(), b"a\x85b", "\u200b".encode()],
    ids=repr,
)  # fmt: skip
def test_who_has_no_name_that_a_key_can_have_is_nobody(
    api: httpx.Client, header: bytes | None
) -> None:
    response = share(api, header)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == 'User realm="ingest pipeline"'
    assert "without slashes" in response.json()["message"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/posts/x"),
        ("GET", "/signedUrlPut?filename=a&filetype=image/png&postId=x"),
        ("GET", "/getSignedUrlPut?filename=a&filetype=image/png&postId=x"),
    ],
)
def test_who_changes_something_must_say_who_she_is(
    api: httpx.Client, method: str, path: str
) -> None:
    assert api.request(method, path).status_code == 401
    assert api.request(method, path, headers={"authorization": "alice"}).status_code == 404


# Tokens


def test_a_token_names_the_user(secret_api: httpx.Client, rsa_api: httpx.Client) -> None:
    given = {"aud": "posts", "iss": "https://id"}
    for api, good in (
        (secret_api, token(sub="Zoë")),
        (secret_api, token(exp=int(time.time()) - 10, sub="Zoë")),  # clocks differ
        (rsa_api, token(RSA, "RS256", sub="Zoë", **given)),
        (rsa_api, token(RSA, "RS256", sub="Zoë", **given | {"aud": ["x", "posts"]})),
    ):
        for scheme in ("Bearer", "bearer"):
            response = share(api, f"{scheme} {good}")
            assert response.status_code == 200, response.text
            assert users_of(api, response) == "USER#Zoë"


def test_a_key_may_be_mounted_as_a_file(system: System, tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.write_text(pem(EC) + "\n")
    with token_api(system, jwt_key_file=file) as api:
        assert share(api, f"Bearer {token(EC, 'ES256')}").status_code == 200
        assert share(api, f"Bearer {token(RSA, 'RS256')}").status_code == 401


def test_tokens_are_read_in_public_and_written_by_their_users(secret_api: httpx.Client) -> None:
    alice, bob = ({"Authorization": f"Bearer {token(sub=name)}"} for name in ("alice", "bob"))
    created = secret_api.post("/posts", json={"title": "a", "body": "b"}, headers=alice)
    path = created.headers["Location"]
    assert secret_api.get("/posts").status_code == 200
    assert secret_api.delete(path, headers=bob).status_code == 404
    assert secret_api.delete(path, headers={"Authorization": "alice"}).status_code == 401
    assert secret_api.delete(path, headers=alice).status_code == 200


NOW = int(time.time())
NONE = {"alg": "none", "typ": "JWT"}
HS256 = {"alg": "HS256", "typ": "JWT"}


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "alice",
        "Bearer",
        "Bearer alice",
        "Bearer a.b.c",
        "Bearer \xff\xfe",
        token(),
        f"Basic {token()}",
        f"Bearer {token(exp=None)}",
        f"Bearer {token(sub=None)}",
        f"Bearer {token(exp=NOW - 300)}",
        f"Bearer {token(nbf=NOW + 3600)}",
        f"Bearer {token(aud='others')}",  # ours has no audience: it is for somebody else
        f"Bearer {token('x' * 32)}",
        f"Bearer {token(SECRET, 'HS512')}",
        f"Bearer {token()}x",
        f"Bearer {token()[:-4]}",
        f"Bearer {by_hand(NONE, claims(), None)}",
        f"Bearer {by_hand({'alg': 'None'}, claims(), None)}",
        f"Bearer {by_hand({'typ': 'JWT'}, claims(), SECRET.encode())}",
        f"Bearer {by_hand(HS256 | {'crit': ['x']}, claims(), SECRET.encode())}",
        f"Bearer {by_hand(HS256, claims(sub=5), SECRET.encode())}",
        f"Bearer {token(sub='')}",
        f"Bearer {token(sub='a/b')}",
        f"Bearer {token(sub='..')}",
    ],
    ids=range(26),
)  # fmt: skip
def test_no_other_token_is_good(secret_api: httpx.Client, header: str | None) -> None:
    response = share(secret_api, header.encode("latin-1") if header else header)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="ingest pipeline"'
    assert response.json().keys() == {"message"}
    assert SECRET not in response.text


@pytest.mark.parametrize(
    "bad",
    [
        # The public key is known to all: it must never do as a secret.
        by_hand(HS256, claims(aud="posts", iss="https://id"), pem(RSA).encode()),
        by_hand(HS256, claims(aud="posts", iss="https://id"), pem(RSA).strip().encode()),
        by_hand(NONE, claims(aud="posts", iss="https://id"), None),
        token(OTHER_RSA, "RS256", aud="posts", iss="https://id"),
        token(RSA, "RS512", aud="posts", iss="https://id"),
        token(RSA, "PS256", aud="posts", iss="https://id"),
        token(EC, "ES256", aud="posts", iss="https://id"),
        token(RSA, "RS256", iss="https://id"),
        token(RSA, "RS256", aud="others", iss="https://id"),
        token(RSA, "RS256", aud="posts"),
        token(RSA, "RS256", aud="posts", iss="https://id.example"),
    ],
    ids=range(11),
)
def test_the_key_says_how_a_token_is_signed_for_whom_and_by_whom(
    rsa_api: httpx.Client, bad: str
) -> None:
    assert share(rsa_api, f"Bearer {bad}").status_code == 401


class Issuer:
    """An issuer that publishes keys, and counts how often it is asked."""

    def __init__(self) -> None:
        self.answer: bytes = b""
        self.asked = 0
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked += 1
                self.send_response(200)
                self.end_headers()
                self.wfile.write(issuer.answer)

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/keys"

    def publish(self, **keys: Any) -> None:
        published = []
        for kid, key in keys.items():
            is_rsa = isinstance(key, rsa.RSAPrivateKey)
            kind = jwt.algorithms.RSAAlgorithm if is_rsa else jwt.algorithms.ECAlgorithm
            jwk = json.loads(kind.to_jwk(key.public_key()))
            published.append(jwk | {"kid": kid, "use": "sig"})
        self.answer = json.dumps({"keys": published}).encode()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    made = Issuer()
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


def signed(key: Any, algorithm: str, kid: str | None) -> str:
    headers = {"kid": kid} if kid else {}
    return "Bearer " + jwt.encode(claims(), key, algorithm, headers=headers)


def test_keys_are_taken_from_where_the_issuer_publishes_them(
    system: System, issuer: Issuer
) -> None:
    issuer.publish(one=RSA, two=EC)
    with token_api(system, jwks_url=issuer.url) as api:
        for _ in range(3):
            assert share(api, signed(RSA, "RS256", "one")).status_code == 200
            assert share(api, signed(EC, "ES256", "two")).status_code == 200
        for bad in (
            signed(RSA, "RS256", "two"),
            signed(EC, "ES256", "one"),
            signed(OTHER_RSA, "RS256", "one"),
            signed(RSA, "RS384", "one"),
            signed(RSA, "RS256", "unknown"),
            signed(RSA, "RS256", None),
            "Bearer " + by_hand(HS256 | {"kid": "one"}, claims(), pem(RSA).encode()),
            "Bearer " + by_hand(NONE | {"kid": "one"}, claims(), None),
            "Bearer no.token.atall",
        ):
            assert share(api, bad).status_code == 401, bad
        assert issuer.asked == 1, "strangers' tokens make nobody ask anew"


@pytest.mark.parametrize("answer", [b"", b"<html>", b"\xff\xfe\x00"])
def test_an_issuer_that_gives_no_keys_is_no_fault_of_the_users(
    system: System, issuer: Issuer, answer: bytes
) -> None:
    issuer.answer = answer
    with token_api(system, jwks_url=issuer.url) as api:
        response = share(api, signed(RSA, "RS256", "one"))
        assert response.status_code == 503
        assert "INGEST_JWKS_URL" in response.json()["message"]
        assert response.headers["Retry-After"] == "30"
        issuer.publish(one=RSA)
        assert share(api, signed(RSA, "RS256", "one")).status_code == 503
        assert issuer.asked == 1, "a failure is remembered for 30 s"


def test_an_issuer_that_is_away_is_no_fault_of_the_users(system: System) -> None:
    with token_api(system, jwks_url=f"http://127.0.0.1:{free_port()}/keys") as api:
        assert share(api, signed(RSA, "RS256", "one")).status_code == 503


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("x" * 31, "a secret of 31 bytes"),
        (pem(RSA).partition("\n")[2], "looks like a public key"),  # without its first line
        ("".join(pem(RSA).splitlines()[1:-1]), "looks like a public key"),
        ("\n".join(pem(EC).splitlines()[1:-1]), "looks like a public key"),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHxx alice@host", "looks like a public key"),
        ('{"kty": "RSA", "n": "0vx7agoebGcQSuuPiLJXZpt", "e": "AQAB"}', "looks like a public key"),
        (private_pem(RSA), "no PEM public key"),
        ("-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----", "no PEM public key"),
        (pem(rsa.generate_private_key(65537, 1024)), "at least 2048 bits"),  # noqa: S505
        (pem(ec.generate_private_key(ec.SECP384R1())), "P-256"),
        (pem(ed25519.Ed25519PrivateKey.generate()), "P-256"),
    ],
    ids=range(11),
)
def test_a_weak_or_wrong_key_is_refused_at_the_start(
    system: System, key: str, problem: str
) -> None:
    config = system.config.model_copy(update={"auth": "jwt", "jwt_key": SecretStr(key)})
    with pytest.raises(SettingsError, match=problem) as error:
        create_app(System(config))
    assert "INGEST_JWT_KEY" in str(error.value)
    assert key not in str(error.value)
    with pytest.raises(SystemExit, match="INGEST_JWT_KEY"):
        serve(config)


def test_a_key_file_that_is_missing_is_named(system: System, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"INGEST_JWT_KEY_FILE .*none cannot be read"):
        create_app(with_settings(system, auth="jwt", jwt_key_file=tmp_path / "none"))


# Settings


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"api_host": "0.0.0.0"}, "INGEST_AUTH is 'header': anyone could post"),  # noqa: S104
        ({"api_host": "::"}, "INGEST_AUTH is 'header'"),
        ({"api_host": "192.0.2.1"}, "INGEST_AUTH is 'header'"),
        ({"api_host": "api.example.org"}, "INGEST_AUTH is 'header'"),
        ({"api_host": ""}, "INGEST_AUTH is 'header'"),
        ({"auth": "jwt"}, "set one of .* found 0"),
        ({"auth": "jwt", "jwt_key": SECRET, "jwks_url": "https://x"}, "set one of .* found 2"),
        ({"auth": "jwt", "jwks_url": "http://id.example.org"}, "over https only"),
        ({"auth": "jwt", "jwks_url": "file:///etc/passwd"}, "over https only"),
        ({"auth": "jwt", "jwks_url": "file://localhost/etc/passwd"}, "over https only"),
        ({"auth": "jwt", "jwks_url": "id.example.org/keys"}, "over https only"),
        ({"auth": "basic"}, "'header' or 'jwt'"),
        ({"api_hosts": '["a"]'}, "pattern"),
        ({"jwt_leeway_seconds": 3600}, "300"),
    ],
    ids=repr,
)
def test_settings_that_would_let_everybody_in_are_refused(
    given: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ValidationError, match=problem) as error:
        Settings.model_validate(given)
    assert SECRET[:8] not in str(error.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.1.2.3"])
def test_this_machine_may_go_by_names(host: str) -> None:
    assert Settings.model_validate({"api_host": host}).is_loopback


def test_the_process_does_not_start_and_says_why(system: System) -> None:
    environment = child_environment(system.config) | {"INGEST_API_HOST": "0.0.0.0"}  # noqa: S104
    for changes, problem in [
        ({}, "INGEST_AUTH=jwt"),
        ({"INGEST_AUTH": "jwt", "INGEST_JWT_KEY": SECRET}, "INGEST_BASIC_USERS"),
        ({"INGEST_API_HOST": "192.0.2.1", "INGEST_AUTH": "jwt"}, "INGEST_JWT_KEY"),
    ]:
        done = subprocess.run(
            [sys.executable, "-m", "ingest_pipeline.api"],
            cwd=PROJECT_ROOT,
            env=environment | changes,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 1
        assert problem in done.stderr
        assert "Traceback" not in done.stderr
        assert SECRET not in done.stderr


# Operators


@pytest.fixture(scope="module")
def reached_from_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The settings of an API that other machines reach; the tests reach it at 127.0.0.1."""
    users = tmp_path_factory.mktemp("operators") / "users"
    users.write_text(f"{ALICE[0]}:{hash_password(ALICE[1])}\n", encoding="utf-8")
    return {
        "api_host": "0.0.0.0",  # noqa: S104
        "basic_users": users,
        "jwt_key": SecretStr(SECRET),
    }


@pytest.fixture(scope="module")
def public_api(system: System, reached_from_elsewhere: dict[str, Any]) -> Iterator[httpx.Client]:
    with token_api(system, **reached_from_elsewhere) as client:
        yield client


@pytest.mark.parametrize(("method", "path"), GUARDED)
def test_the_catalogue_is_for_operators(
    api: httpx.Client, public_api: httpx.Client, method: str, path: str
) -> None:
    assert api.request(method, path).status_code != 401
    bearer = {"Authorization": f"Bearer {token()}"}
    for refused in (
        public_api.request(method, path),
        public_api.request(method, path, auth=("alice", "wrong")),
        public_api.request(method, path, headers=bearer),
    ):
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"].startswith("Basic ")
        assert refused.json().keys() == {"message"}
    assert public_api.request(method, path, auth=ALICE).status_code not in {401, 403}


def test_the_rest_is_for_everybody(public_api: httpx.Client) -> None:
    assert public_api.get("/").json() == {"hello": "world"}
    assert public_api.get("/posts?limit=1").status_code == 200
    assert share(public_api, f"Bearer {token()}").status_code == 200
    assert share(public_api, "alice").status_code == 401


def test_without_operators_nobody_is_let_out_of_the_house(system: System, tmp_path: Path) -> None:
    empty = tmp_path / "users"
    empty.touch()
    for users in (None, empty):
        changes = {"api_host": "0.0.0.0", "auth": "jwt", "jwt_key": SecretStr(SECRET)}  # noqa: S104
        with pytest.raises(UsersError, match="INGEST_BASIC_USERS"):
            create_app(with_settings(system, basic_users=users, **changes))


def test_pages_of_other_origins_change_nothing(api: httpx.Client, public_api: httpx.Client) -> None:
    for client in (api, public_api):
        own = f"http://{client.base_url.netloc.decode()}"
        for origin in ("https://evil.example", "null", "http://127.0.0.1:1", "http://localhost"):
            refused = client.delete("/asset/x.wav", headers={"Origin": origin}, auth=ALICE)
            assert refused.status_code == 403
            assert refused.json().keys() == {"message"}
            form = client.post("/asset", content="x", headers={"Origin": origin}, auth=ALICE)
            assert form.status_code == 403
            read = client.get("/assets?limit=1", headers={"Origin": origin}, auth=ALICE)
            assert read.status_code == 200
            assert "Access-Control-Allow-Origin" not in read.headers
        assert client.delete("/asset/x", headers={"Origin": own}, auth=ALICE).status_code == 404


# Names that lead here


def test_only_our_own_names_are_answered_to(api: httpx.Client) -> None:
    """A page could make its own name lead to 127.0.0.1, and would then be of our origin."""
    port = api.base_url.port
    for ours in ("localhost", "127.0.0.1", "[::1]", f"localhost:{port}", f"[::1]:{port}"):
        assert api.get("/", headers={"Host": ours}).status_code == 200
    for other in (
        "evil.example",
        f"evil.example:{port}",
        "localhost.evil.example",
        "",
        "127.0.0.2",
    ):
        refused = api.get("/assets", headers={"Host": other})
        assert refused.status_code == 400
        assert refused.headers["X-Content-Type-Options"] == "nosniff"


def test_other_names_are_a_setting(
    system: System, reached_from_elsewhere: dict[str, Any], public_api: httpx.Client
) -> None:
    hosts = "api.example.org, *.example.net"
    for changes in ({}, reached_from_elsewhere | {"auth": "jwt"}):
        with serving(with_settings(system, api_hosts=hosts, **changes)) as client:
            for ours in ("api.example.org:8000", "a.example.net"):
                assert client.get("/", headers={"Host": ours}).status_code == 200
            assert client.get("/", headers={"Host": "example.org"}).status_code == 400
    assert public_api.get("/", headers={"Host": "any.example"}).status_code == 200
