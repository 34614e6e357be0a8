"""Say whether the locked requirements belong to pyproject.toml, without asking anybody.

`make lock` calls it with --stamp, which writes the hash of the dependency tables as the first line of both files.
"""

import hashlib
import json
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKED = ("requirements.txt", "requirements-dev.txt")
PREFIX = "# pyproject sha256: "


def fingerprint() -> str:
    """Return the hash of everything in pyproject.toml that a lock depends on."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = pyproject["project"]
    tables = {
        "requires-python": project["requires-python"],
        "dependencies": sorted(project["dependencies"]),
        "optional-dependencies": project.get("optional-dependencies", {}),
        "dependency-groups": pyproject.get("dependency-groups", {}),
    }
    return hashlib.sha256(json.dumps(tables, sort_keys=True).encode()).hexdigest()


def first_line(path: Path) -> str:
    with path.open() as file:
        return file.readline().rstrip("\n")


def stamp(path: Path) -> None:
    lines = path.read_text().splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith(PREFIX)]
    path.write_text(f"{PREFIX}{fingerprint()}\n" + "".join(kept))


def main() -> None:
    if "--stamp" in sys.argv[1:]:
        for name in LOCKED:
            stamp(ROOT / name)
        return
    stale = [name for name in LOCKED if first_line(ROOT / name) != PREFIX + fingerprint()]
    if stale:
        sys.exit(f"{' and '.join(stale)}: older than the dependencies in pyproject.toml. Run `make lock`.")
    print("Locked requirements belong to pyproject.toml.")


if __name__ == "__main__":
    main()
