"""`python -m benchmarks [NAME …] [--out FILE]`: runs benchmarks by name, all of them without one. Prints; writes only with --out."""

import argparse
import json
import pkgutil
import sys
from importlib import import_module
from pathlib import Path

import benchmarks
from benchmarks.machine import machine_line

SHARED = {"__main__", "machine", "process", "slurm"}


def main() -> int:
    """Run the named benchmarks one after another; the exit code."""
    names = [
        module.name
        for module in pkgutil.iter_modules(benchmarks.__path__)
        if module.name not in SHARED
    ]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Speed against peers, side by side. Run on a machine with nothing else to do.",
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"which: {', '.join(names)}; all if not given"
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
