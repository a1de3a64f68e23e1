"""Accounts: who a user is and how they prove it. What is secret or erasable stands in a plain table, never in facts."""

import asyncio
import base64
import hashlib
import os
import sys
import threading
import unicodedata
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

import bcrypt

from booking.refusals import EmailTaken
from journal import sealing
from journal.journal import Along, Journal

# One statement, so that neither the fact nor the account stands alone.
_REGISTER = """
keyed as (insert into sealing_keys (user_id, key) select %(user_id)s::uuid, %(key)s::bytea from recorded),
stored as (insert into accounts (user_id, email, full_name, password_hash)
           select %(user_id)s::uuid, %(email)s::text, %(full_name)s::text, %(password_hash)s::text
           from recorded)
"""
T = TypeVar("T")

_COLUMNS = "user_id, email, full_name, password_hash"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A person's account; `email` in lower case, `password_hash` as `Passwords` made it."""

    email: str
    full_name: str
    password_hash: str

    def stored_along(self, user_id: UUID) -> Along:
        """Store the account, and a new key for the person's texts, together with the fact that registers them."""
        return Along(
            _REGISTER,
            {
                "user_id": user_id,
                "key": sealing.new_key(),
                "email": self.email,
                "full_name": self.full_name,
                "password_hash": self.password_hash,
            },
            unless={"accounts_email_key": EmailTaken()},
        )


async def by_email(journal: Journal, email: str) -> tuple[UUID, Account] | None:
    """The user of an e-mail address in lower case, and their account. Raises `Unavailable`."""
    rows = await journal.query(f"select {_COLUMNS} from accounts where email = %(email)s", {"email": email})
    return (rows[0][0], _account(rows[0])) if rows else None


async def of_users(journal: Journal, user_ids: list[UUID]) -> Mapping[UUID, Account]:
    """The accounts of those of `user_ids` who have one. Raises `Unavailable`."""
    rows = await journal.query(f"select {_COLUMNS} from accounts where user_id = any(%(ids)s)", {"ids": user_ids})
    return {row[0]: _account(row) for row in rows}


async def created_at(journal: Journal, user_id: UUID) -> datetime | None:
    """When a user's account was made; None where there is none. Raises `Unavailable`."""
    rows = await journal.query("select created_at from accounts where user_id = %(id)s", {"id": user_id})
    return rows[0][0] if rows else None


def _account(row: tuple[UUID, str, str, str]) -> Account:
    return Account(email=row[1], full_name=row[2], password_hash=row[3])


# Everything else that is known of the person goes with the account.
_ERASE = """
unreadable as (delete from sealing_keys k using recorded where k.user_id = %(user_id)s),
closed as (delete from accounts a using recorded where a.user_id = %(user_id)s)
"""


def erased_along(user_id: UUID) -> Along:
    """Destroy the account, and the key of the person's texts, together with the fact that erases them."""
    return Along(_ERASE, {"user_id": user_id})


class Passwords:
    """Hashes and checks passwords in a few threads of their own: bcrypt is slow on purpose."""

    def __init__(self, *, rounds: int = 12, threads: int = 2) -> None:
        self._rounds = rounds
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="bcrypt", initializer=_yielding)
        self._nobody = bcrypt.hashpw(b"nobody", bcrypt.gensalt(rounds))

    async def hashed(self, password: str) -> str:
        """The bcrypt hash to store."""
        salt = bcrypt.gensalt(self._rounds)
        return (await self._in_thread(bcrypt.hashpw, _folded(password), salt)).decode()

    async def match(self, password: str, password_hash: str | None) -> bool:
        """Whether `password` is the one; takes as long when there is no account to compare with."""
        expected = password_hash.encode() if password_hash else self._nobody
        return await self._in_thread(bcrypt.checkpw, _folded(password), expected) and password_hash is not None

    async def _in_thread(self, call: Callable[[bytes, bytes], T], password: bytes, other: bytes) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call, password, other)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _yielding() -> None:
    """Have the calling thread take what others leave of the CPU: hashing must not delay bookings."""
    if sys.platform == "linux":  # elsewhere a thread has no priority of its own to give up
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)


def _folded(password: str) -> bytes:
    """44 bytes in which every byte of the password counts: bcrypt looks at 72 at most. NFC as RFC 8265 §4.2 asks."""
    return base64.b64encode(hashlib.sha256(unicodedata.normalize("NFC", password).encode()).digest())
