"""How many passwords are checked, and for whom they are not."""

import asyncio
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ingest_pipeline.api import attempts as module
from ingest_pipeline.api.attempts import AT_ONCE, FREE, LONGEST_SECONDS, Attempts, HeldBackError
from ingest_pipeline.api.auth import Users, hash_password, load_users

HERE, ELSEWHERE = "192.0.2.1", "192.0.2.2"


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def users(tmp_path_factory: pytest.TempPathFactory) -> Users:
    file = tmp_path_factory.mktemp("users") / "users"
    file.write_text(f"alice:{hash_password('one')}\n")
    return load_users(file)


async def outcome(attempts: Attempts, password: str, user: str = "alice", at: str = HERE) -> str:
    try:
        return "in" if await attempts.is_right(user, password, at) else "out"
    except HeldBackError as error:
        return f"{error.seconds:.0f} s"


def test_who_guesses_waits_longer_each_time(users: Users) -> None:
    async def run() -> None:
        clock = Clock()
        attempts = Attempts(users, clock)
        assert [await outcome(attempts, "x") for _ in range(FREE)] == ["out"] * FREE
        waits = []
        for _ in range(8):
            waits.append(await outcome(attempts, "x"))
            clock.now += float(waits[-1].removesuffix(" s"))
            assert await outcome(attempts, "x") == "out"
        assert waits == ["1 s", "2 s", "4 s", "8 s", "16 s", "32 s", "60 s", "60 s"]
        assert await outcome(attempts, "x", at=ELSEWHERE) == "out"
        assert await outcome(attempts, "x", user="bob") == "out"
        clock.now += LONGEST_SECONDS
        assert await outcome(attempts, "one") == "in"
        assert [await outcome(attempts, "x") for _ in range(FREE)] == ["out"] * FREE

    asyncio.run(run())


def test_a_password_that_was_right_is_right_while_another_guesses(tmp_path: Path) -> None:
    (tmp_path / "users").write_text(f"alice:{hash_password('one')}\n")
    users = load_users(tmp_path / "users")

    async def run() -> None:
        attempts = Attempts(users)
        for _ in range(FREE + 1):
            await outcome(attempts, "x")
        assert (await outcome(attempts, "one")).endswith(" s")
        assert users.knows("alice", "one")
        assert await outcome(attempts, "one") == "in"

    asyncio.run(run())


@dataclass(frozen=True)
class Slow(Users):
    """Counts how many are checked at once."""

    running: list[int] = field(default_factory=list)
    most: list[int] = field(default_factory=list)
    gate: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def knows(self, user: str, password: str) -> bool:
        self.running.append(1)
        self.most.append(len(self.running))
        self.gate.acquire(timeout=0.02)
        self.running.pop()
        return super().knows(user, password)


def test_few_are_checked_at_once_and_many_turned_away(
    users: Users, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 20)
    slow = Slow(users.hashes)

    async def run() -> list[str]:
        attempts = Attempts(slow)
        tries = (outcome(attempts, "x", user=f"user-{number}") for number in range(60))
        return await asyncio.gather(*tries)

    outcomes = asyncio.run(run())
    assert (outcomes.count("out"), outcomes.count("1 s")) == (20, 40)
    assert max(slow.most) <= AT_ONCE


def test_what_is_remembered_is_bounded(users: Users, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 2)
    monkeypatch.setattr(module, "FREE", 1)

    async def run() -> None:
        attempts = Attempts(users)
        for user in ("a", "b", "c"):
            assert await outcome(attempts, "x", user=user) == "out"
        assert [await outcome(attempts, "x", user=user) for user in ("b", "a")] == ["1 s", "out"]

    asyncio.run(run())
