"""``initcore info``: show versions, instruction sets, threads and devices."""

from __future__ import annotations

import argparse
import json
import platform
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

import initcore
from initcore import _core
from initcore.cli.terminal import make_console
from initcore.device import reports

if TYPE_CHECKING:
    from initcore.cli.arguments import Commands

__all__ = ["add_to", "environment", "run", "version_of"]


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("info", help="show versions, instruction sets, threads and devices")
    parser.add_argument("--json", action="store_true", help="write JSON")
    parser.set_defaults(run=run)


def environment() -> dict[str, Any]:
    """Return the versions and settings on which results, and the time that they take, may depend."""
    return {
        "version": initcore.__version__,
        "stream_version": initcore.STREAM_VERSION,
        "isa": initcore.isa(),
        "isas": list(initcore.isas()),
        "threads": initcore.get_num_threads(),
        "elements_per_thread": _core.ELEMENTS_PER_THREAD,
        "cache_bytes": _core.CACHE_BYTES,
        "processor": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "ml_dtypes": version_of("ml_dtypes"),
        "torch": version_of("torch"),
        "cuda": _mode(),
        "cuda_trials": [reports.sentence(report) for report in reports.trials()],
    }


def version_of(package: str) -> str | None:
    """Return the version of a package, or None if it is not installed, without importing it."""
    if find_spec(package) is None:
        return None
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "of unknown version"


def _mode() -> str:
    try:
        return reports.mode()
    except RuntimeError as error:
        return str(error)


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value) or "none"
    return "not installed" if value is None else str(value)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def run(args: argparse.Namespace) -> int:
    """Print the environment."""
    found = environment()
    if args.json:
        print(json.dumps(found, indent=2))
        return 0
    labels = {
        "isa": "instruction set",
        "isas": "instruction sets here",
        "elements_per_thread": "elements for each thread, at least",
        "cache_bytes": "bytes of cache",
        "cuda": "INITCORE_CUDA (experimental)",
        "cuda_trials": "CUDA devices tried",
    }
    table = Table(show_header=False, box=None, pad_edge=False)
    for _ in range(2):
        table.add_column(overflow="fold")
    for name, value in found.items():
        table.add_row(labels.get(name, name.replace("_", " ")), _shown(value))
    make_console().print(table)
    return 0
