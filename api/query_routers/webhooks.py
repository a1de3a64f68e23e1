"""Queries about webhooks: which there are, and what each was sent."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from api.answers import json_of, linked
from api.auth import require_roles
from api.documents import DeliveryDocument, WebhookDocument, delivery_document, webhook_document
from api.problems import PROBLEMS
from api.queries import Paging, asked, parameters
from api.rooms import rooms_of
from booking.refusals import NotFound
from commands import deliveries, webhooks
from commands.deliveries import State
from commands.webhooks import KeptWebhook
from projections.reading import cursor_after, entry_before

router = APIRouter(
    prefix="/admin/webhooks",
    tags=["queries: webhooks"],
    responses=PROBLEMS,
    dependencies=[Depends(require_roles("ADMIN"))],
)


class DeliveriesAsked(Paging):
    """Which deliveries are asked for."""

    state: State | None = None


@router.get("", response_model=list[WebhookDocument], openapi_extra=parameters(Paging, of_view=False))
async def every(request: Request) -> Response:
    """The webhooks there are."""
    page = asked(request, Paging)
    start = UUID(int=0) if page.cursor is None else UUID(bytes=entry_before(page.cursor, 16))
    kept = await webhooks.after(rooms_of(request).journal, start, page.limit + 1)
    shown = kept[: page.limit]
    cursor = cursor_after(shown[-1].webhook_id.bytes) if len(kept) > page.limit else None
    return linked(json_of([webhook_document(one) for one in shown]), cursor, request)


@router.get("/{webhook_id}", response_model=WebhookDocument)
async def one(webhook_id: UUID, request: Request) -> Response:
    """A webhook, without its secret."""
    return json_of(webhook_document(await _kept(webhook_id, request)))


@router.get(
    "/{webhook_id}/deliveries",
    response_model=list[DeliveryDocument],
    openapi_extra=parameters(DeliveriesAsked, of_view=False),
)
async def log(webhook_id: UUID, request: Request) -> Response:
    """What a webhook was and is to be sent, the newest fact first; what is over is kept for 30 days."""
    webhook = await _kept(webhook_id, request)
    page, more = asked(request, DeliveriesAsked), dict[str, Any]()
    if page.cursor is not None:
        more["before"] = min(int.from_bytes(entry_before(page.cursor, 8)), 2**62)
    logged = await deliveries.log_of(
        rooms_of(request).journal, webhook_id, state=page.state, limit=page.limit + 1, **more
    )
    shown = logged[: page.limit]
    cursor = cursor_after(shown[-1].position.to_bytes(8)) if len(logged) > page.limit else None
    return linked(json_of([delivery_document(webhook, one) for one in shown]), cursor, request)


async def _kept(webhook_id: UUID, request: Request) -> KeptWebhook:
    kept = await webhooks.by_id(rooms_of(request).journal, webhook_id)
    if kept is None:
        raise NotFound("webhook", webhook_id)
    return kept
