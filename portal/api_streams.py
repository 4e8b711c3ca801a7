"""A call whose answer is a stream: begun before it is promised, logged before it is sent, and once more at its end."""

from __future__ import annotations

import json
import logging
from time import perf_counter

from django.http import HttpResponse, StreamingHttpResponse

from apilog.models import amend
from keys.gate import Call, Outcome, Refused
from portal.web.streams import Stream, TooManyStreams

log = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 5


class LoggedStream(StreamingHttpResponse):
    """The answer to a call, to be sent once its row is committed."""

    def __init__(self, call: Call, stream: Stream, response: StreamingHttpResponse) -> None:
        # Django closes what it is given to stream when the server has sent it or has found that nobody reads.
        super().__init__(stream, status=response.status_code, headers=dict(response.items()))
        self._call, self._stream = call, stream

    def abandon(self) -> None:
        """Ends it before it was sent."""
        self._stream.close()

    def release(self) -> None:
        """From now on it may be sent, and its end stands in the log."""
        self._stream.on_end = self._note_end

    def _note_end(self, failure: Exception | None) -> bytes:
        """Writes into the row what was sent and how long it took: best effort, since the answer has long left."""
        call = self._call
        words = last_words(call, self["Content-Type"]) if failure is not None else b""
        call.response_size = self._stream.sent + len(words)
        call.duration_us = round((perf_counter() - call.started) * 1_000_000)
        if failure is not None:
            log.error("The stream of call %s broke off after %d bytes", call.id, self._stream.sent, exc_info=failure)
            call.outcome = Outcome.ERROR
        try:
            amend(call)
        except Exception:
            log.exception("The end of the stream of call %s could not be logged", call.id)
        return words


def begin(call: Call, response: StreamingHttpResponse) -> HttpResponse | LoggedStream:
    """Reads the stream's first block, so that what its query fails of can still be answered as the error it is.

    A stream that ends within it becomes an ordinary answer; of any other nothing is sent to a HEAD.

    :raises Refused: 429, when too many streams are being read
    """
    try:
        stream = Stream(response, owner=call.partner_id)
    except TooManyStreams as reason:
        call.limited_by = "streams"
        raise Refused(
            Outcome.RATE_LIMITED,
            429,
            f"{reason} Try again in {RETRY_AFTER_SECONDS} s.",
            retry_after=RETRY_AFTER_SECONDS,
        ) from None
    if stream.is_whole:
        return HttpResponse(stream.first, status=response.status_code, headers=dict(response.items()))
    answer = LoggedStream(call, stream, response)
    if call.method == "HEAD":
        answer.abandon()
        answer.streaming_content = iter(())
    return answer


def last_words(call: Call, content_type: str) -> bytes:
    """What ends a stream that fails halfway.

    The status has been sent, and the web server ends the body as if it were whole. So the body itself must tell: CSV
    ends in a quote that is never closed, which strict readers refuse and people see; NDJSON in an error instead of a
    row, as events do; and JSON is left open, which every reader refuses.
    """
    sentence = f"Something went wrong on our side; the rest is missing. Your request id is {call.id}."
    if content_type.startswith("text/csv"):
        return f'"INCOMPLETE: {sentence}\n'.encode()
    error = json.dumps({"code": "500", "error": sentence, "Error": sentence})
    if content_type.startswith("application/x-ndjson"):
        return f"{error}\n".encode()
    if content_type.startswith("text/event-stream"):
        return f"event: error\ndata: {error}\n\n".encode()
    return b""
