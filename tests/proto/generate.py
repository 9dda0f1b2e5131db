"""Generate the stubs: `generate.py TARGET`, run by the Python that has the pinned generators."""

from __future__ import annotations

import sys
from pathlib import Path

from grpc_tools import protoc  # type: ignore[import-untyped]  # lives in .venv-proto alone

SOURCE = Path(__file__).parents[2] / "proto"
BIN = Path(sys.executable).parent


def main(target: str) -> int:
    """Write every stub below `target`; returns protoc's status."""
    files = sorted(str(path) for path in (SOURCE / "pixkin_proto" / "v1").glob("*.proto"))
    outputs = [f"--{kind}_out={target}" for kind in ("python", "grpc_python", "mypy", "mypy_grpc")]
    plugins = [f"--plugin=protoc-gen-{name}={BIN / f'protoc-gen-{name}'}" for name in ("mypy", "mypy_grpc")]
    status: int = protoc.main(["protoc", f"-I{SOURCE}", *outputs, *plugins, *files])
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
