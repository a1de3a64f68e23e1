"""Commands about webhooks, to which facts are sent as they are recorded."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import AfterValidator, Field, StrictBool, StrictInt, WithJsonSchema
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from api.auth import require_roles
from api.bodies import Body, StrictRoute
from api.documents import MessageDocument, ShownWebhookDocument, WebhookDocument, webhook_document
from api.problems import PROBLEMS, Problem, refusing
from api.sending import COMMAND, Sender, TheSender
from booking.refusals import NotFound
from commands import webhooks
from commands.destinations import LONGEST_URL
from commands.webhooks import (
    EVENTS,
    AddWebhook,
    KeptWebhook,
    RemoveWebhook,
    ReplayWebhook,
    RotateWebhookSecret,
    SwitchWebhook,
)

router = APIRouter(
    prefix="/admin/webhooks",
    tags=["commands: webhooks"],
    responses=PROBLEMS,
    route_class=StrictRoute,
    dependencies=[Depends(require_roles("ADMIN"))],
)


def _known(name: str) -> str:
    if name not in EVENTS:
        raise PydanticCustomError("unknown-event", "No fact that is sent goes by this name")
    return name


EventName = Annotated[str, AfterValidator(_known), WithJsonSchema({"type": "string", "enum": EVENTS})]
Secret = Annotated[str, AfterValidator(webhooks.check_secret)]


class WebhookRequest(Body):
    """Where to send facts of which names, signed with a secret; without one a new one is made."""

    url: Annotated[str, Field(max_length=LONGEST_URL)]
    events: Annotated[frozenset[EventName], Field(min_length=1, fail_fast=True)]
    secret: Secret | None = None


class SwitchRequest(Body):
    """Whether the webhook is sent anything."""

    is_active: StrictBool


class SecretRequest(Body):
    """The secret to sign with from now on; without one a new one is made."""

    secret: Secret | None = None


class ReplayRequest(Body):
    """From which position of the journal on everything is sent once more."""

    from_position: Annotated[StrictInt, Field(ge=1)]


@router.post(
    "",
    status_code=201,
    response_model=ShownWebhookDocument,
    responses=refusing(also={409: ["shown-before"]}),
    openapi_extra=COMMAND,
)
async def add(body: WebhookRequest, sender: TheSender) -> Response:
    """Send facts of these names to an address from here on. The secret is shown in this answer alone."""
    await sender.rooms.destinations.admit(body.url)
    secret, id = body.secret or webhooks.new_secret(), sender.new_id
    sealed = sender.rooms.webhook_secrets.sealed(secret, id)
    done = await sender.do(AddWebhook(webhook_id=id, url=body.url, events=body.events, sealed=sealed))
    kept = await _shown_once(sender, id, sealed, given=body.secret)
    document = webhook_document(kept) | {"secret": secret}
    return await sender.answer(done, document, status=201, location=f"{router.prefix}/{id}")


@router.patch("/{webhook_id}", response_model=WebhookDocument, openapi_extra=COMMAND)
async def switch(webhook_id: UUID, body: SwitchRequest, sender: TheSender) -> Response:
    """Send a webhook nothing for now, or go on where it was disabled: nothing is left out."""
    done = await sender.do(SwitchWebhook(webhook_id=webhook_id, is_active=body.is_active))
    return await sender.answer(done, webhook_document(await _kept(sender, webhook_id)))


@router.post(
    "/{webhook_id}/rotate-secret",
    response_model=ShownWebhookDocument,
    responses=refusing(also={409: ["shown-before"]}),
    openapi_extra=COMMAND,
)
async def rotate_secret(webhook_id: UUID, sender: TheSender, body: SecretRequest | None = None) -> Response:
    """Sign with another secret, and for 24 hours with the one so far too. It is shown in this answer alone."""
    given = body.secret if body else None
    secret = given or webhooks.new_secret()
    sealed = sender.rooms.webhook_secrets.sealed(secret, webhook_id)
    done = await sender.do(RotateWebhookSecret(webhook_id=webhook_id, sealed=sealed))
    kept = await _shown_once(sender, webhook_id, sealed, given=given)
    return await sender.answer(done, webhook_document(kept) | {"secret": secret})


@router.post(
    "/{webhook_id}/replay",
    response_model=WebhookDocument,
    responses=refusing(also={422: ["bad-position"]}),
    openapi_extra=COMMAND,
)
async def replay(webhook_id: UUID, body: ReplayRequest, sender: TheSender) -> Response:
    """Send everything from a position on once more, under the same ids, also what was given up."""
    _, head, _ = await sender.rooms.journal.head()
    if body.from_position > head:
        raise Problem(422, "bad-position", "There is no such position", f"The journal ends at {head}.")
    done = await sender.do(ReplayWebhook(webhook_id=webhook_id, from_position=body.from_position))
    return await sender.answer(done, webhook_document(await _kept(sender, webhook_id)))


@router.delete("/{webhook_id}", response_model=MessageDocument, openapi_extra=COMMAND)
async def remove(webhook_id: UUID, sender: TheSender) -> Response:
    """Send a webhook nothing any more, and forget it with its log."""
    done = await sender.do(RemoveWebhook(webhook_id=webhook_id))
    return await sender.answer(done, {"message": "The webhook is sent nothing any more"})


async def _shown_once(sender: Sender, webhook_id: UUID, sealed: str, *, given: str | None) -> KeptWebhook:
    """The webhook. Raises `Problem` where a secret we made was shown before, under the same Idempotency-Key."""
    kept = await _kept(sender, webhook_id)
    if given is None and kept.secret != sealed:
        raise Problem(409, "shown-before", "The secret was shown before", "Rotate it to be shown another.")
    return kept


async def _kept(sender: Sender, webhook_id: UUID) -> KeptWebhook:
    kept = await webhooks.by_id(sender.rooms.journal, webhook_id)
    if kept is None:
        raise NotFound("webhook", webhook_id)
    return kept
