"""All benchmarks, or those that are named: ``python -m benchmarks [NAME ...]``.

Each file beside this one answers one question and is a program of its own. Files whose names begin
with an underscore hold what several of them share.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def chosen(names: list[str]) -> list[str]:
    """Return the names of the benchmarks to run, in order."""
    there = sorted(path.stem for path in FOLDER.glob("[!_]*.py"))
    unknown = [name for name in names if name not in there]
    if unknown:
        sys.exit(f"no benchmark is named {', '.join(unknown)}; there are: {', '.join(there)}")
    return names or there


def main() -> None:
    """Run one after the other, since each wants the whole machine; go on after a failure."""
    failed = []
    for name in chosen(sys.argv[1:]):
        print(f"== {name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode:
            failed.append(name)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
