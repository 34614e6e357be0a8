"""Redemption by hand: a WSGI application without a framework, which leaves the same rows behind as the product.

It knows the device, claims the code with one conditional UPDATE, and writes the line of the ledger and the scan in the
same transaction. It knows no offer that is paused, over, used up or bound to a place, no guessing, no repeated scan and
no refusal but one, and counts neither what a deal gave away nor what a person had.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from benchmarks.driver import Database

DEVICE = "SELECT id, location_id FROM redemptions_device WHERE token_hash = %s AND revoked_at IS NULL"
CLAIM = """UPDATE redemptions_code SET used = used + 1
    WHERE token_index = %s AND used < max_uses AND revoked_at IS NULL AND NOT is_test RETURNING id, offer_id"""
NUMBER = "UPDATE redemptions_entrycounter SET last_entry_no = last_entry_no + 1 WHERE id = 1 RETURNING last_entry_no"
LINE = """INSERT INTO redemptions_redemption (public_id, entry_no, kind, code_id, offer_id, location_id, device_id, at,
    recorded_at, currency, receipt_no, reason, note, is_offline, conflict, override, void_key, is_burned, is_use)
    VALUES (%s, %s, 'redeemed', %s, %s, %s, %s, %s, %s, 'USD', '', '', '', false, '', '', '', false, true)
    RETURNING id"""
SCAN = """INSERT INTO redemptions_scan (public_id, device_id, location_id, key, fingerprint, code_id, entry, result,
    reason, redemption_id, at, is_offline, decision, is_mistyped)
    VALUES (%s, %s, %s, %s, %s, %s, 'qr', 'accepted', '', %s, %s, false, '', false)"""

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], object]


@lru_cache(maxsize=1)
def database() -> Database:
    """Connect once in each worker, after it was forked."""
    return Database(os.environ["DATABASE_URL"])


def application(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    status, body = redeem(environ)
    content = json.dumps(body).encode()
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(content)))])
    return [content]


def redeem(environ: Environ) -> tuple[str, dict[str, object]]:
    token = environ.get("HTTP_AUTHORIZATION", "").removeprefix("Token ")
    devices = database().rows(DEVICE, [hashlib.sha256(token.encode()).digest()])
    if not devices:
        return "401 Unauthorized", {}
    code = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))["code"].rsplit("/", 1)[-1].upper()
    at = datetime.now(UTC)
    with database().transaction():
        claimed = database().rows(CLAIM, [keyed_hash("code", code)])
        if not claimed:
            return "409 Conflict", {}
        entry_no = write(code, claimed[0], devices[0], environ["HTTP_IDEMPOTENCY_KEY"], at)
    return "201 Created", {"result": "redeemed", "redeemed_at": at.isoformat(), "receipt": entry_no}


def write(code: str, claimed: tuple[int, int], device: tuple[int, int], key: str, at: datetime) -> int:
    """Write the line and the scan; return the entry number."""
    (code_id, offer_id), (device_id, location_id) = claimed, device
    moment = database().moment(at)
    entry_no: int = database().rows(NUMBER)[0][0]
    line = [secrets.token_hex(10), entry_no, code_id, offer_id, location_id, device_id, moment, moment]
    redemption_id = database().rows(LINE, line)[0][0]
    fingerprint = keyed_hash("scan", code)
    scan = [secrets.token_hex(10), device_id, location_id, key, fingerprint, code_id, redemption_id, moment]
    database().rows(SCAN, scan)
    return entry_no


def keyed_hash(domain: str, text: str) -> bytes:
    return hmac.digest(os.environ["INDEX_KEY"].encode(), f"{domain}:v1:{text}".encode(), "sha256")
