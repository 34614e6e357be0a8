"""Errors as application/problem+json (RFC 9457), with a stable `code` for programs."""

from __future__ import annotations

import json
import logging
from http import HTTPStatus
from typing import Any

from django.core.signals import got_request_exception
from django.utils.translation import gettext as _
from rest_framework import status
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.views import exception_handler as default_exception_handler

logger = logging.getLogger(__name__)

PROBLEM_TYPE = "application/problem+json"


class Problem(APIException):
    """An error of ours, raised by a view; `more` are its extension members."""

    def __init__(self, *, status: int, code: str, detail: str, title: str = "", **more: Any) -> None:
        super().__init__(detail, code)
        self.status_code = status
        self.title = title
        self.more = more


class AnyTextRenderer(JSONRenderer):
    """Writes half of a surrogate pair, which JSON can spell and UTF-8 cannot, as a question mark.

    An error repeats what was sent, and rendering is past the point where a failure becomes a problem.
    """

    def render(self, data: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().render(data, *args, **kwargs)
        except UnicodeEncodeError:
            return json.dumps(data, cls=self.encoder_class, ensure_ascii=False).encode(errors="replace")


def problem_body(*, status: int, code: str, title: str, detail: str, **more: Any) -> dict[str, Any]:
    """Return a problem as it is written; `more` are its extension members."""
    return {"type": f"urn:regulars:{code}", "title": title, "status": status, "detail": detail, "code": code, **more}


def problem(body: dict[str, Any]) -> Response:
    # A header set on the response would be overwritten when it is rendered.
    return Response(body, status=body["status"], content_type=PROBLEM_TYPE)


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response:
    """Turn every error into a problem. One the framework knows keeps its headers; of any other nothing is told."""
    default = default_exception_handler(exc, context)
    if default is None:
        return _server_error(exc, context)
    answer = problem(
        problem_body(
            status=default.status_code,
            code=_code(exc, default),
            title=getattr(exc, "title", "") or HTTPStatus(default.status_code).phrase,
            detail=_detail(default.data),
            **({"errors": default.data} if isinstance(exc, ValidationError) else getattr(exc, "more", {})),
        )
    )
    for name in ("WWW-Authenticate", "Retry-After", "Allow"):
        if name in default.headers:
            answer.headers[name] = default.headers[name]
    return answer


def _server_error(exc: Exception, context: dict[str, Any]) -> Response:
    logger.error("A call of the scanner API failed.", exc_info=exc)
    # What the framework does for an error nobody caught: reporters of errors and the test client listen to this.
    got_request_exception.send(sender=None, request=context.get("request"))
    return problem(
        problem_body(
            status=status.HTTP_500_INTERNAL_SERVER_ERROR,
            code="server_error",
            title="Internal Server Error",
            detail=_("Something went wrong on the server. Try again with the same key."),
        )
    )


def invalid(errors: Any) -> dict[str, Any]:
    """Return the problem of a body that is no good, as one of several."""
    more = {"errors": errors if isinstance(errors, dict) else {"non_field_errors": errors}}
    return problem_body(
        status=status.HTTP_400_BAD_REQUEST, code="invalid", title="Bad Request", detail=_detail(errors), **more
    )


def _code(exc: Exception, default: Response) -> str:
    if isinstance(exc, ValidationError):
        return "invalid"
    codes = exc.get_codes() if isinstance(exc, APIException) else None
    return codes if isinstance(codes, str) else HTTPStatus(default.status_code).name.lower()


def _detail(data: Any) -> str:
    """Return one sentence: the framework's own, or the first of the errors by field."""
    if isinstance(data, dict) and "detail" in data:
        return str(data["detail"])
    field, data = next(iter(data.items())) if isinstance(data, dict) else ("", data)
    while isinstance(data, dict | list):
        data = next(iter(data.values() if isinstance(data, dict) else data))
    return f"{field}: {data}" if field and field != "non_field_errors" else str(data)
