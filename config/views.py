"""Probes for the platform and the owner: alive, and ready."""

from __future__ import annotations

from http import HTTPStatus

from django.conf import settings
from django.core.cache import cache
from django.core.exceptions import DisallowedHost
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.templatetags.static import static
from django.utils import timezone
from django.views import defaults
from redis import RedisError

from contacts.services import WrongKey, verify_canary
from messaging.queries import worker_alive
from redemptions.api.problems import PROBLEM_TYPE, problem_body


def favicon(request: HttpRequest) -> HttpResponseRedirect:
    """Browsers ask for this address by themselves where a page names no icon."""
    return HttpResponseRedirect(static("regulars/icon.svg"))


def healthz(request: HttpRequest) -> JsonResponse:
    """The process answers. Touches no database."""
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> JsonResponse:
    """Database, migrations, keys, Redis where it is used, the worker's heartbeat; 503 where one is not right."""
    checks = readiness()
    ready = all(value == "ok" for value in checks.values())
    return JsonResponse({"status": "ok" if ready else "not ready", "checks": checks}, status=200 if ready else 503)


def readiness() -> dict[str, str]:
    """Return `ok`, or what to do, for each part."""
    try:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return {"database": "ok", "migrations": "run: python manage.py migrate"}
    except DatabaseError:
        return {"database": "cannot be reached"}
    checks = {"database": "ok", "migrations": "ok"}
    try:
        verify_canary()
        checks["keys"] = "ok"
    except WrongKey as error:
        checks["keys"] = str(error)
    if settings.REDIS_URL:
        checks["redis"] = redis_answers()
    checks["worker"] = (
        "ok" if worker_alive(timezone.now()) else "not heard for three minutes; run: python manage.py qcluster"
    )
    return checks


def redis_answers() -> str:
    try:
        cache.get("readyz")
    except RedisError:
        return "cannot be reached"
    return "ok"


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what no view has seen. A program gets a problem, and keeps its scan where only the name was wrong."""
    if not request.path.startswith("/api/"):
        return defaults.bad_request(request, exception)
    status, code, detail = HTTPStatus.BAD_REQUEST, "bad_request", "The server cannot read this call."
    if isinstance(exception, DisallowedHost):
        status, code = HTTPStatus.MISDIRECTED_REQUEST, "unknown_host"
        detail = "The server does not go by this name. Whoever runs it lists its names in ALLOWED_HOSTS."
    body = problem_body(status=status, code=code, title=status.phrase, detail=detail)
    return JsonResponse(body, status=status, content_type=PROBLEM_TYPE, headers={"Cache-Control": "no-store"})
