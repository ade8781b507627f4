"""HTTP Basic, over real HTTP."""

import base64
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from ingest_pipeline.api.app import serve
from ingest_pipeline.api.auth import UsersError, hash_password, load_users, main
from ingest_pipeline.system import System
from ingest_pipeline_tests.api.serving import ALICE, BOB

PROTECTED = [
    *["/hello", "/videos", "/videos?mail=a@example.org"],
    *["/hello/", "/videos/", "/videos/?mail=a@example.org"],
]


def basic(text: bytes) -> str:
    return "Basic " + base64.b64encode(text).decode()


@pytest.mark.parametrize(("user", "password"), [ALICE, BOB])
def test_a_user_is_let_in(members_api: httpx.Client, user: str, password: str) -> None:
    header = {"Authorization": basic(f"{user}:{password}".encode())}
    for path in ("/hello", "/hello/"):
        response = members_api.get(path, headers=header, follow_redirects=False)
        assert (response.status_code, response.json()) == (200, {"hello": user})
    assert members_api.get("/videos?limit=1", headers=header).status_code == 200


def test_the_scheme_is_written_in_any_case(members_api: httpx.Client) -> None:
    header = basic(":".join(BOB).encode()).replace("Basic", "bAsIc")
    assert members_api.get("/hello", headers={"Authorization": header}).status_code == 200


@pytest.mark.parametrize("path", PROTECTED)
def test_every_route_asks(members_api: httpx.Client, path: str) -> None:
    for user in ("", f"nobody{path}"):
        response = members_api.get(path, auth=(user, "wrong") if user else None)
        assert response.status_code == 401


@pytest.mark.parametrize(
    "header",
    [
        None,
        basic(b"alice:wrong"),
        basic(b"alice:"),
        basic(b"alice:s3cret"),  # another one's
        basic(b"alice:alice"),  # the older system let such in
        basic(b"nobody:nobody"),
        basic(b":"),
        basic(b"no colon"),
        basic(b"\xff\xfe:\xff"),
        "Basic",
        "Basic =",
        "Basic not base64!",
        "Basic YWxpY2U",  # without its padding
        "Bearer " + base64.b64encode(":".join(BOB).encode()).decode(),
        base64.b64encode(":".join(BOB).encode()).decode(),
        b"Basic \xe4\xf6",
    ],
    ids=repr,
)
def test_nobody_else_is(members_api: httpx.Client, header: str | bytes | None) -> None:
    headers = {"Authorization": header} if header is not None else {}
    response = members_api.get("/hello", headers=headers)  # type: ignore[arg-type]
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Basic ")
    assert response.json().keys() == {"message"}


def test_sixty_wrong_passwords_at_once_leave_the_rest_alone(members_api: httpx.Client) -> None:
    with ThreadPoolExecutor(60) as pool:
        tries = [
            pool.submit(members_api.get, "/hello", auth=("guessed", f"wrong {number}"))
            for number in range(60)
        ]
        alive = [members_api.get("/livez").elapsed.total_seconds() for _ in range(10)]
    answers = [each.result() for each in tries]
    assert {answer.status_code for answer in answers} == {401, 429}
    assert all(1 <= int(a.headers["Retry-After"]) <= 60 for a in answers if a.status_code == 429)
    assert sorted(alive)[5] < 1  # it was 60 s


@pytest.mark.parametrize("path", PROTECTED)
def test_without_users_nobody_is_let_in_and_the_answer_says_how_to_change_that(
    api: httpx.Client, path: str
) -> None:
    for auth in (None, ("admin", "admin"), ("", "")):
        response = api.get(path, auth=auth)
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"].startswith("Basic ")
        message = response.json()["message"]
        assert "INGEST_BASIC_USERS" in message
        assert "python -m ingest_pipeline.api.auth" in message


def test_the_other_routes_ask_for_no_login(members_api: httpx.Client) -> None:
    assert members_api.get("/").json() == {"hello": "world"}
    assert members_api.get("/assets?limit=1").status_code == 200


def test_the_docs_offer_to_log_in(api: httpx.Client) -> None:
    schema = api.get("/openapi.json").json()
    schemes = schema["components"]["securitySchemes"]
    assert schemes["HTTPBasic"] == {"type": "http", "scheme": "basic"}
    assert (schemes["User"]["type"], schemes["User"]["name"]) == ("apiKey", "Authorization")
    secured = {
        (method, path, *scheme)
        for path, operations in schema["paths"].items()
        for method, operation in operations.items()
        for scheme in operation.get("security", [])
    }
    assert secured == {
        ("get", "/hello", "HTTPBasic"),
        ("get", "/videos", "HTTPBasic"),
        ("post", "/posts", "User"),
        ("delete", "/posts/{post_id}", "User"),
        ("get", "/signedUrlPut", "User"),
        ("get", "/getSignedUrlPut", "User"),
    }


def test_a_hash_has_a_salt_of_its_own_and_does_not_tell_the_password() -> None:
    one, other = hash_password("s3cret"), hash_password("s3cret")
    assert one != other
    assert "s3cret" not in one
    assert ":" not in one


def test_a_password_that_fitted_opens_no_other_door(tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_text(f"alice:{hash_password('one')}\nbob:{hash_password('two')}\n")
    users = load_users(file)
    assert [users.knows("alice", "one") for _ in range(2)] == [True, True]
    assert not users.knows("alice", "two")
    assert not users.knows("bob", "one")
    assert not users.knows("carol", "one")
    assert [users.knows("alice", "three") for _ in range(2)] == [False, False]


def test_the_command_makes_a_line_that_lets_in(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["carol"], input="pa:ss wörd\npa:ss wörd\n")
    assert done.exit_code == 0
    line = done.output.splitlines()[-1]
    assert re.fullmatch(r"carol:\$scrypt\$\S+", line)
    users = tmp_path / "users"
    users.write_text(f"\n{line}\r\n\n", encoding="utf-8")
    loaded = load_users(users)
    assert loaded.knows("carol", "pa:ss wörd")
    assert not loaded.knows("carol", "pa:ss word")
    assert not loaded.knows("Carol", "pa:ss wörd")


@pytest.mark.parametrize("user", ["", " ", "a:b", "a\nb"])
def test_the_command_refuses_names_that_no_line_can_hold(user: str) -> None:
    done = CliRunner().invoke(main, [user], input="x\nx\n")
    assert done.exit_code == 2
    assert "scrypt" not in done.output


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("alice:s3cret", "line 1 is no `user:hash`"),  # a password in the clear is never one
        ("alice", "line 1 is no `user:hash`"),
        ("{bob}\nalice:$scrypt$ln=4,r=8,p=1$AAAA$AAAA", "line 2 is no `user:hash`"),
        ("{bob}\n\n:{hash}", "line 3 is no `user:hash`"),
        ("{bob}\n{bob}", "line 2 has a user for the second time"),
        ("\udcff", "cannot be read"),
    ],
)
def test_a_file_with_mistakes_is_refused(tmp_path: Path, lines: str, problem: str) -> None:
    hashed = hash_password("x")
    users = tmp_path / "users"
    text = lines.format(bob=f"bob:{hashed}", hash=hashed)
    users.write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(UsersError, match=re.escape(problem)) as error:
        load_users(users)
    assert str(users) in str(error.value)
    assert "s3cret" not in str(error.value)


def test_an_api_that_finds_no_users_file_does_not_start(system: System, tmp_path: Path) -> None:
    config = system.config.model_copy(update={"basic_users": tmp_path / "none"})
    with pytest.raises(SystemExit, match="INGEST_BASIC_USERS"):
        serve(config)
