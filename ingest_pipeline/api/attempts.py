"""Passwords are checked few at a time, and who guesses wrong waits longer and longer."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from anyio import CapacityLimiter, to_thread

from ingest_pipeline.api.auth import Users
from ingest_pipeline.errors import RefusedError

AT_ONCE = 2  # each takes 16 MiB and 0.1 s of a core: sixty at once took 1 GB
MOST_WAITING = 200  # requests; those beyond are turned away at once
FREE = 10  # wrong ones in a row that cost nothing: a client that is set up wrongly finds out
LONGEST_SECONDS = 60.0
REMEMBERED = 10_000  # pairs of user and address


class HeldBackError(RefusedError):
    """The password was not looked at; `seconds` later it would be."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


@dataclass(frozen=True)
class _Wrong:
    count: int  # in a row
    until: float  # when the next one is looked at


class Attempts:
    """Checks passwords against the users, for one process."""

    def __init__(self, users: Users, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` tells seconds."""
        self._users = users
        self._clock = clock
        self._limiter = CapacityLimiter(AT_ONCE)
        self._waiting = 0
        self._wrong: OrderedDict[tuple[str, str], _Wrong] = OrderedDict()

    async def is_right(self, user: str, password: str, address: str) -> bool:
        """Whether there is this user with this password; `address` is where it comes from.

        Who guesses waits by user and address, so that nobody locks out a user from elsewhere. A
        password that has been right before is right at once.

        Raises:
            HeldBackError: too many wrong ones from there, or too many wait already.
        """
        if self._users.remembers(user, password):
            return True
        self._hold_back((user, address))
        if self._waiting >= MOST_WAITING:
            raise HeldBackError("too many passwords are being checked", 1)
        self._waiting += 1
        try:
            async with self._limiter:
                return await self._checked(user, password, (user, address))
        finally:
            self._waiting -= 1

    async def _checked(self, user: str, password: str, who: tuple[str, str]) -> bool:
        self._hold_back(who)  # those before it in the line may have been wrong
        is_right = await to_thread.run_sync(self._users.knows, user, password)
        self._note(who, is_right=is_right)
        return is_right

    def _hold_back(self, who: tuple[str, str]) -> None:
        wrong = self._wrong.get(who)
        seconds = wrong.until - self._clock() if wrong else 0
        if wrong and seconds > 0:
            raise HeldBackError(f"{wrong.count} wrong passwords in a row", seconds)

    def _note(self, who: tuple[str, str], *, is_right: bool) -> None:
        wrong = self._wrong.pop(who, _Wrong(0, 0))
        if is_right:
            return
        count = wrong.count + 1
        seconds = min(2.0 ** min(count - FREE, 10), LONGEST_SECONDS) if count >= FREE else 0
        self._wrong[who] = _Wrong(count, self._clock() + seconds)
        if len(self._wrong) > REMEMBERED:
            self._wrong.popitem(last=False)
