"""Golden pairs: ``tests/golden/<stage>/<case>/in.json`` and the ``out.json`` that a stage makes of it.

``BACKFILL_REWRITE_GOLDEN=1 pytest …`` writes every ``out.json`` that a test checks; read the diff before you commit it.
"""

import json
import os
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).parent / "golden"
REWRITE = "BACKFILL_REWRITE_GOLDEN"


def cases(stage: str) -> list[Path]:
    """The folders of a stage's cases, sorted; at least one, so that a misspelt stage does not pass."""
    found = sorted(path.parent for path in (GOLDEN / stage).glob("*/in.json"))
    if not found:
        raise FileNotFoundError(f"no golden cases under {GOLDEN / stage}")
    return found


def load(case_dir: Path) -> Any:
    """What the stage is given."""
    return json.loads((case_dir / "in.json").read_text(encoding="utf-8"))


def check(case_dir: Path, produced: object) -> None:
    """Compare what a stage produced, as JSON, with ``out.json``; rewrite that only when asked."""
    text = json.dumps(produced, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    golden = case_dir / "out.json"
    if os.environ.get(REWRITE) == "1":
        golden.write_text(text, encoding="utf-8")
    # through JSON, so that tuples equal the lists they become
    assert json.loads(text) == json.loads(golden.read_text(encoding="utf-8")), f"differs from {golden}"
