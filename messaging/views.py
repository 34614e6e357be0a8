"""What the links in mails lead through."""

from __future__ import annotations

import logging

from django.db import Error
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from contacts.links import BadLink
from messaging.links import TRAP_POSITION, read_click_token
from messaging.queries import link_target
from messaging.services import clicks

logger = logging.getLogger(__name__)

HEADERS = {"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex", "Cache-Control": "no-store"}


@require_safe
def click(request: HttpRequest, token: str) -> HttpResponse:
    """Count a click, and lead to the link; what cannot be counted is led on all the same. The trap leads nowhere."""
    try:
        message_id, position = read_click_token(token)
    except BadLink as error:
        raise Http404 from error
    target = link_target(message_id, position)
    if target is None:
        raise Http404
    try:
        clicks.note(
            message_id,
            position,
            method=request.method or "",
            agent=request.headers.get("User-Agent", ""),
            at=timezone.now(),
        )
    except Error as error:  # the database is busy; named by its kind
        logger.warning("a click in message %s was not counted: %s", message_id, type(error).__name__)
    if position == TRAP_POSITION:
        return HttpResponse(status=204, headers=HEADERS)
    # Not a HttpResponseRedirect: it would write some addresses in another way than they were stored.
    return HttpResponse(status=302, headers={**HEADERS, "Location": target})
