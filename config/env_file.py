"""Write `.env` with fresh keys where there is none: `python -m config.env_file [PORT]`.

Runs before Django can start, so it needs nothing but the standard library.
"""

import base64
import os
import secrets
import sys
from pathlib import Path

TEMPLATE = """\
# Written once with fresh keys. Every setting is explained in .env.example.
# Keep a copy of these three keys apart from the database: without them its personal data cannot be read again.
SECRET_KEY={secret_key}
ENCRYPTION_KEY={encryption_key}
INDEX_KEY={index_key}

PUBLIC_BASE_URL=http://localhost:{port}
BUSINESS_NAME=The Corner Bar
BUSINESS_ADDRESS=12 Main Street, Springfield, IL 62701
BUSINESS_TIMEZONE=America/Chicago
FROM_EMAIL=hello@corner-bar.example
FROM_NAME=The Corner Bar
"""


def write_env(path: Path, *, port: int = 8000) -> bool:
    """Create `path` with fresh keys, readable by its owner only; return False where it exists already."""
    content = TEMPLATE.format(
        secret_key=secrets.token_urlsafe(50),
        encryption_key=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        index_key=secrets.token_urlsafe(32),
        port=port,
    )
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w") as file:
        file.write(content)
    return True


if __name__ == "__main__":
    if write_env(Path(__file__).resolve().parent.parent / ".env", port=int(sys.argv[1]) if sys.argv[1:] else 8000):
        print("Wrote .env with fresh keys.", file=sys.stderr)
