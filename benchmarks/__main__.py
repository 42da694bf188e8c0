"""`python -m benchmarks [NAME …] [--out FILE]`: runs the named benchmarks, or all.

It prints the results, and writes a file only with --out.
"""

import argparse
import json
import pkgutil
import sys
from importlib import import_module
from pathlib import Path

import benchmarks
from benchmarks.machine import machine_line

SHARED = {"__main__", "gpu", "machine", "process", "slurm"}


def main() -> int:
    """Run the named benchmarks one after another; returns the exit code."""
    names = [
        module.name
        for module in pkgutil.iter_modules(benchmarks.__path__)
        if module.name not in SHARED
    ]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Speed compared with peers in the same run. Run this on an idle machine.",
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"which: {', '.join(names)}; default: all"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the numbers as JSON")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.names if name not in names]:
        parser.error(f"no benchmark {unknown[0]!r}; choose from {', '.join(names)}")
    found: dict[str, object] = {"machine": machine_line()}
    print(found["machine"])
    for name in arguments.names or names:
        print(f"\n== {name}", flush=True)
        found[name] = import_module(f"benchmarks.{name}").main([])
    if arguments.out:
        arguments.out.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
