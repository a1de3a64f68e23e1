"""A broad walk through a system by somebody whose every secret is known, so that it can be looked for afterwards."""

from base64 import b64encode
from dataclasses import dataclass, field
from uuid import uuid4

import httpx

from booking.roles import Role
from commands.accounts import Account, Passwords
from commands.command import Author
from commands.deciding import Deciding, Request
from commands.opaque import derived
from commands.users import RegisterUser
from journal.folding import Aggregates
from tests.journals import Place, a_journal
from tests.processes import free_port, slot
from tests.receivers import Receiver
from tests.scanning import PASSWORD, SECRET_KEY
from tests.seen.systems import System

MARK = "Zaunkönig"
ADMIN = "admin-of-the-walk@example.org"


@dataclass
class Walk:
    """What was walked: the secrets that went in or came out, a booking, and what to go on booking with."""

    secrets: list[str] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    booked: dict[str, str] = field(default_factory=dict)
    admin_token: str = ""
    space_id: str = ""

    def secret(self, text: str) -> str:
        self.secrets.append(text)
        return text


async def walk(system: System) -> Walk:
    """Register, sign in and fail to, reset, book, cancel, act by key; with what is bad, unknown, and breaks."""
    walked = Walk()
    secret, email = walked.secret, f"{uuid4().hex}@walkers.example"
    name, notes, reason = secret(f"Ana {MARK}"), secret(f"bring the {MARK} notes"), secret(f"a {MARK} reason")
    password, other = secret(f"{MARK} password 1"), secret(f"{MARK} password 2")
    walked.secrets += [email, MARK, PASSWORD]
    await _an_admin(system.place)

    async def answered(answer: httpx.Response) -> httpx.Response:
        walked.statuses.append(answer.status_code)
        return answer

    async with system.api.client() as nobody, system.api.client() as ana, system.api.client() as admin:
        for client in (nobody, ana, admin):
            client.event_hooks["response"] = [answered]  # type: ignore[list-item]
        # Somebody joins, signs in, and fails to.
        made = await nobody.post("/auth/register", json={"email": email, "password": password, "full_name": name})
        assert made.status_code == 201, made.text
        await nobody.post("/auth/register", json={"email": email, "password": password, "full_name": name})
        await nobody.post("/auth/register", json={"email": email, "password": "short", "full_name": name})
        await nobody.post("/auth/register", content=f'{{"email": "{email}", "password": "{password}'.encode())
        await nobody.post("/auth/login", json={"email": email, "password": other})
        await nobody.post("/auth/login", data={"username": email, "password": password})
        signed = await nobody.post("/auth/login", json={"email": ADMIN, "password": PASSWORD})
        walked.admin_token = secret(signed.json()["access_token"])
        admin.headers["Authorization"] = f"Bearer {walked.admin_token}"
        ana.headers["Authorization"] = f"Bearer {secret(made.json()['access_token'])}"
        refresh = secret(made.headers["Set-Cookie"].partition("=")[2].partition(";")[0])
        cookie = made.headers["Set-Cookie"].partition("=")[0]
        await nobody.post("/auth/refresh", headers={"Cookie": f"{cookie}={refresh}"})
        await nobody.get("/auth/me", headers={"Authorization": f"Bearer {secret('no-such-token-' + uuid4().hex)}"})
        # A password is reset.
        await nobody.post("/auth/password-reset/request", json={"email": email})
        await nobody.post("/auth/password-reset/request", json={"email": secret("nobody@walkers.example")})
        for token in _letters(system.place):
            secret(token)
            await nobody.post("/auth/password-reset/confirm", json={"token": token, "new_password": other})
            await nobody.post("/auth/verify", json={"token": token})
        # A webhook whose receiver is away: its address is a secret, and so is what signs.
        away = f"http://127.0.0.1:{free_port()}/hooks/{secret('hook-' + uuid4().hex)}"
        hook = {"url": away, "events": ["SpaceCreated"], "secret": secret("whsec_" + b64encode(bytes(24)).decode())}
        hooked = await admin.post("/admin/webhooks", json=hook)
        assert hooked.status_code == 201, hooked.text
        # Another one's receiver leads on to an address with a token of its own.
        token = secret("led-on-" + uuid4().hex)
        leading = Receiver(lambda _: 302, headers=f"Location: https://elsewhere.example/?token={token}\r\n")
        await leading.open()
        hooked = await admin.post("/admin/webhooks", json={"url": leading.url, "events": ["SpaceCreated"]})
        assert hooked.status_code == 201, hooked.text
        # Bookings with words of people in them.
        space = await admin.post("/admin/spaces", json=_a_space())
        assert space.status_code == 201, space.text
        walked.space_id = space.json()["id"]
        await leading.got(1)
        body = {"space_id": walked.space_id, **slot(40), "notes": notes}
        await ana.post("/bookings", json={**body, "notes": notes * 500})
        await ana.post("/bookings", json={**body, "start": secret(f"{MARK} o'clock")})
        made = await ana.post("/bookings", json=body, headers={"Idempotency-Key": secret(f"key-{uuid4().hex}")})
        assert made.status_code == 201, made.text
        walked.booked = {"id": made.json()["id"], "correlation_id": made.headers["X-Request-ID"]}
        await ana.post("/bookings", json=body)
        await ana.patch(f"/bookings/{made.json()['id']}", json={"notes": secret(f"other {MARK} notes")})
        await ana.get("/bookings", params={"cursor": secret("a-cursor-" + uuid4().hex)})
        await admin.get("/admin/users", params={"q": email})
        await ana.delete(f"/bookings/{made.json()['id']}", params={"reason": reason})
        # A service acts for her.
        user_id = (await ana.get("/auth/me")).json()["id"]
        scopes = {"name": "the door", "scopes": ["bookings:write"], "user_id": user_id}
        key = secret((await admin.post("/admin/api-keys", json=scopes)).json()["key"])
        await nobody.post("/bookings", json={**body, **slot(60)}, headers={"Authorization": f"Bearer {key}"})
        await nobody.get("/auth/me", headers={"Authorization": f"Bearer {key}"})
        # A calendar program has its token in the address.
        calendar = secret((await ana.post("/calendars/tokens", json={"name": name})).json()["token"])
        await nobody.get("/calendars/me.ics", params={"token": calendar})
        await nobody.get(f"/calendars/spaces/{walked.space_id}.ics", params={"token": calendar})
        # What is nowhere, not allowed, and no request at all.
        await ana.get(f"/nowhere/{MARK}", params={"token": other})
        await ana.put("/bookings", json=body)
        await ana.get("/admin/users")
        await ana.get("/bookings?cursor=%00")
        # PostgreSQL says no, in words that quote what was sent; a table is away; it hangs up.
        with system.place.owner() as owner:
            owner.execute("alter table accounts add constraint no_more check (full_name is null) not valid")
            refused = {"email": secret(f"late-{email}"), "password": password, "full_name": name}
            await nobody.post("/auth/register", json=refused)
            owner.execute("alter table accounts drop constraint no_more")
            owner.execute("alter table sessions rename to sessions_away")
            await nobody.post("/auth/login", json={"email": ADMIN, "password": PASSWORD})
            owner.execute("alter table sessions_away rename to sessions")
        with system.place.role() as role:
            role.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where usename = current_user and pid <> pg_backend_pid()"
            )
        await ana.post("/bookings", json={**body, **slot(80)})
        await leading.close()
    return walked


async def _an_admin(place: Place) -> None:
    passwords = Passwords(rounds=4)
    async with a_journal(place) as journal:
        account = Account(email=ADMIN, full_name=f"Admin {MARK}", password_hash=await passwords.hashed(PASSWORD))
        await Deciding(journal, Aggregates(journal)).do(
            RegisterUser(user_id=uuid4(), account=account, role=Role.ADMIN),
            by=Author.system("test"),
            request=Request(command_id=uuid4(), correlation_id="a walk"),
        )
    passwords.close()


def _letters(place: Place) -> list[str]:
    """The tokens of the letters that were written."""
    with place.role() as role:
        rows = role.execute("select letter_id from letters").fetchall()
    return [derived(b"letter " + letter_id.bytes, SECRET_KEY) for (letter_id,) in rows]


def _a_space() -> dict[str, object]:
    return {
        "name": "Room",
        "capacity": 4,
        "price_per_hour": 12.5,
        "opening_time": "00:00",
        "closing_time": "24:00",
        "min_advance_minutes": 0,
        "cancellation_deadline_hours": 0,
    }
