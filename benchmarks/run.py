"""Run every benchmark, print its table, and keep its figures in benchmarks/results."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
BENCHMARKS = (
    "scan",
    "serving",
    "interfaces",
    "indexing",
    "extractors",
    "quantise",
    "opensearch",
    "evaluation",
    "stages",
    "deadlines",
    "floods",
)


def main() -> int:
    """Run each benchmark in a process of its own; returns 1 when one of them failed to run."""
    (HERE / "results").mkdir(exist_ok=True)
    failed = 0
    for name in BENCHMARKS:
        print(f"== {name}", flush=True)
        command = [sys.executable, str(HERE / f"{name}.py"), "--json", str(HERE / "results" / f"{name}.json")]
        failed |= subprocess.run(command, check=False).returncode != 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
