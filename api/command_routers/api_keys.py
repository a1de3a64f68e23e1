"""Commands about API keys, with which services act for users."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import Field, StringConstraints
from starlette.responses import Response

from api.auth import require_roles
from api.bodies import Body, StrictRoute
from api.documents import IssuedApiKeyDocument, MessageDocument, api_key_document
from api.problems import PROBLEMS, Problem, refusing
from api.sending import COMMAND, TheSender
from booking.refusals import NotFound
from booking.roles import Scope
from commands import api_keys
from commands.api_keys import IssueApiKey, RevokeApiKey
from commands.opaque import hashed

router = APIRouter(
    prefix="/admin/api-keys",
    tags=["commands: API keys"],
    responses=PROBLEMS,
    route_class=StrictRoute,
    dependencies=[Depends(require_roles("ADMIN"))],
)


class ApiKeyRequest(Body):
    """Which service may do what, and for whom; without a user for whoever asks."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]
    scopes: Annotated[frozenset[Scope], Field(min_length=1, fail_fast=True)]
    user_id: UUID | None = None


@router.post(
    "",
    status_code=201,
    response_model=IssuedApiKeyDocument,
    responses=refusing(also={404: ["not-found"], 409: ["shown-before"]}),
    openapi_extra=COMMAND,
)
async def issue(body: ApiKeyRequest, sender: TheSender) -> Response:
    """Let a service act for a user, within scopes and what the user may do. The key is shown in this answer alone."""
    key = api_keys.new_key()
    done = await sender.do(
        IssueApiKey(
            user_id=body.user_id or sender.user.id,
            key_id=sender.new_id,
            hash=hashed(key),
            called=body.name,
            scopes=body.scopes,
        )
    )
    kept = await api_keys.by_id(sender.rooms.journal, sender.new_id)
    if kept is None or kept.hash != hashed(key):  # asked again under one Idempotency-Key
        raise Problem(409, "shown-before", "The key was shown before", "It is not kept: revoke it and issue another.")
    return await sender.answer(done, api_key_document(kept, body.scopes) | {"key": key}, status=201)


@router.delete("/{key_id}", response_model=MessageDocument, openapi_extra=COMMAND)
async def revoke(key_id: UUID, sender: TheSender) -> Response:
    """Have a key be good for nothing from now on, within a second in every process."""
    kept = await api_keys.by_id(sender.rooms.journal, key_id)
    if kept is None:
        raise NotFound("API key", key_id)
    done = await sender.do(RevokeApiKey(user_id=kept.user_id, key_id=key_id))
    return await sender.answer(done, {"message": "The key is good for nothing any more"})
