"""The Firehose as the Affiliate API answers it."""

from __future__ import annotations

from typing import Protocol

from ninja import Router
from ninja.errors import HttpError
from pydantic.config import JsonDict

from partners.api import PartnerCall, PartnerRequest
from partners.firehose.chosen import the_log
from partners.firehose.cursor import Cursor, NotACursor
from partners.firehose.following import Ending, Following, Form, Lines, ServerSentEvents
from partners.firehose.log import Away, Forgotten, NotEnabled, NotYetThere
from partners.models import Partner
from partners.traffic.api.clicks import EXAMPLE as CLICK
from portal.web.api import NotNow
from portal.web.streams import Flow

affiliates = Router(tags=["Firehose"])

BEGINNING = "beginning"
NOT_ENABLED = "The Firehose is not enabled for you. Your account manager can enable it."
AWAY = "What carries the events is away. None of them is lost; try again in a moment."
RETRY_SECONDS = 5
ENDINGS = {"ip_denied": Ending.ADDRESS}
EVENT: JsonDict = {
    "cursor": "1-4711",
    "id": "0197148f02aa7b1c9d3e4f5a6b7c8d9e",
    "type": "click",
    "unix_timestamp": 1748429710,
    "data": CLICK,
}
LINE = "An event a line: `cursor`, `id`, `type`, `unix_timestamp`, and `data`, the row as other operations answer it."
CURSOR: JsonDict = {
    "name": "cursor",
    "in": "query",
    "description": (
        "Behind which event to begin: the cursor of the last one you have, or `beginning` for the oldest that is kept. "
        "Without one it begins now. The header Last-Event-ID does the same, and goes before it."
    ),
    "schema": {"type": "string", "pattern": "^([1-9][0-9]{0,8}-(0|[1-9][0-9]{0,17})|beginning)?$"},
    "example": "1-4711",
}
RESPONSES = {
    200: {
        "description": "Events, for as long as you listen.",
        "content": {
            Lines.content_type: {"schema": {"type": "string", "description": LINE}, "example": EVENT},
            ServerSentEvents.content_type: {
                "schema": {"type": "string", "description": "The same as server-sent events, the cursor being the id."}
            },
        },
    },
    410: {
        "description": "What follows the cursor is kept no longer; the sentence says where to begin.",
        "headers": {"X-Request-ID": {"$ref": "#/components/headers/X-Request-ID"}},
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    },
    503: {
        "description": "What carries the events is away, or the database, or the call could not be recorded.",
        "headers": {
            "X-Request-ID": {"$ref": "#/components/headers/X-Request-ID"},
            "Retry-After": {"$ref": "#/components/headers/Retry-After"},
        },
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    },
}


class OpenCall(PartnerCall, Protocol):
    def verdict_by_now(self) -> str:
        """What the gate would say of its key and address at this moment; "ok" when nothing has changed."""


class OpenRequest(PartnerRequest):
    call: OpenCall


@affiliates.get(
    "/firehose",
    summary="Follow your traffic as it happens",
    openapi_extra={"parameters": [CURSOR], "responses": RESPONSES},
)
def follow_firehose(request: OpenRequest) -> Flow:
    """Your clicks, impressions, conversions and what becomes of them, moments after they are committed. It does not
    end: what flows costs none of your budget, opening it costs one call. Your account manager has to enable it.

    `type` is `click`, `impression`, `conversion` or `conversion_update`; `data` is the row as it is answered elsewhere,
    a conversion's as it was at that moment. With `Accept: text/event-stream` the same comes as server-sent events. At
    first, and when nothing has come for 15 seconds, there is a `heartbeat` with the cursor. Ignore types that you do
    not know.

    When the stream breaks off, open it again with the cursor of the last event you have: nothing is left out and
    nothing comes twice. Cursors are RUN-NUMBER, and the number of each event is that of the one before plus 1, so you
    can check that. Before a stream ends by itself, after 30 minutes at the latest, it says `end`, the reason and the
    cursor. Events are kept for a week: a cursor that is older is answered with 410. You may have 2 streams open;
    one that you take nothing from for a minute is broken off.
    """
    call = request.call
    form: Form = ServerSentEvents() if wants_events(request) else Lines()
    after = begun_after(call.partner, request.headers.get("Last-Event-ID") or request.GET.get("cursor", ""))

    def why_not() -> Ending | None:
        verdict = call.verdict_by_now()
        return None if verdict == "ok" else ENDINGS.get(verdict, Ending.KEY)

    return Flow(Following(the_log(), call.partner.pk, after, form, why_not).blocks(), form.content_type)


def wants_events(request: PartnerRequest) -> bool:
    return ServerSentEvents.content_type in request.headers.get("Accept", "").lower()


def begun_after(partner: Partner, asked: str) -> Cursor:
    """:raises HttpError: 400, 403 or 410, when nothing can follow
    :raises NotNow: 503, when it cannot be said at this moment
    """
    log = the_log()
    try:
        if not asked:
            return log.last(partner.pk)
        oldest = log.oldest(partner.pk)
        if asked == BEGINNING:
            return oldest
        cursor = Cursor.parse(asked)
        if cursor.run < oldest.run:
            raise HttpError(
                410,
                "cursor: the Firehose has been disabled since, and what happened meanwhile is in no stream. Begin with "
                "cursor=beginning, and fetch what is missing by /reporting",
            )
        if cursor.run == oldest.run:
            log.read(partner.pk, cursor, 1)
            return cursor
    except NotACursor:
        raise HttpError(400, "cursor: it is none of ours. Send one as you got it, or cursor=beginning") from None
    except NotEnabled:
        raise HttpError(403, NOT_ENABLED) from None
    except Forgotten as forgotten:
        raise HttpError(
            410,
            f"cursor: what follows it is kept no longer. Begin with cursor={forgotten.oldest}, the oldest that is, and "
            "fetch what is missing by /reporting",
        ) from None
    except Away:
        raise NotNow(AWAY, retry_after=RETRY_SECONDS) from None
    except NotYetThere:
        pass
    raise HttpError(400, "cursor: there is no such event yet. Send one as you got it, or cursor=beginning")
