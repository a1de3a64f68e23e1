"""Schemathesis asks a listening API what its OpenAPI document allows and much that it does not, and finds nothing."""

import asyncio
import os
import sys
from pathlib import Path
from uuid import UUID, uuid4

from booking.roles import Role
from commands.command import Author
from commands.deciding import Request
from commands.users import ChangeUser
from daybook.embedded import Stores
from tests.api.houses import House, a_house, a_slot, listening
from tests.journals import Place

CONFIG = Path(__file__).with_name("schemathesis.toml")


async def furnished(house: House) -> dict[str, str]:
    """An ADMIN's token, and the ids of what is there to be asked for."""
    who = {"email": "admin@example.org", "password": "correct horse", "full_name": "Mr Okafor"}
    registered = (await house.client().post("/auth/register", json=who)).json()
    promotion = ChangeUser(user_id=UUID(registered["user"]["id"]), role=Role.ADMIN)
    as_system = Request(command_id=uuid4(), correlation_id="test")
    await house.rooms.deciding.do(promotion, by=Author.system("test"), request=as_system)
    user_id, space_id = await house.user(), await house.space()
    booking = await house.client(user_id).post("/bookings", json={"space_id": space_id, **a_slot(10, 12)})
    admin = house.client(Authorization=f"Bearer {registered['access_token']}")
    key = await admin.post("/admin/api-keys", json={"name": "Archive", "scopes": ["audit:read"]})
    hook = {"url": "https://receiver.invalid/daybook", "events": ["BookingCreated"]}
    webhook = await admin.post("/admin/webhooks", json=hook)
    calendar = await admin.post("/calendars/tokens", json={"name": "Telephone"})
    kept = await admin.post("/calendars/tokens", json={"name": "Desk"})
    return {
        "TOKEN": registered["access_token"],
        "SPACE_ID": space_id,
        "BOOKING_ID": booking.json()["id"],
        "USER_ID": str(user_id),
        "KEY_ID": key.json()["id"],
        "WEBHOOK_ID": webhook.json()["id"],
        "TOKEN_ID": calendar.json()["id"],
        "CALENDAR_TOKEN": kept.json()["token"],  # another one: the first is revoked on the way
    }


async def test_schemathesis_finds_nothing(stores: Stores, own_place: Place, tmp_path: Path) -> None:
    async with a_house(stores, own_place) as house, listening(house) as url:
        told = await furnished(house)
        ran = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", CONFIG, "run", f"{url}/openapi.json"),
            *("--no-color", "--warnings", "off"),
            env=os.environ | told,
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await ran.communicate()
        admin = house.client(Authorization=f"Bearer {told['TOKEN']}")
        webhook = await admin.get(f"/admin/webhooks/{told['WEBHOOK_ID']}")
        tokens = await admin.get("/calendars/tokens")

    assert ran.returncode == 0, output.decode()[-8_000:]
    assert webhook.status_code == 404, "what was there to be removed was not found"
    assert told["TOKEN_ID"] not in {token["id"] for token in tokens.json()}
