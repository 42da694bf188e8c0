"""Generic resources, such as GPUs, in SLURM's words."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

_FACTORS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}


def parse_gres(text: str) -> Counter[tuple[str, str]]:
    """How many of each kind a node or a job has.

    Texts such as "gpu:a100:4(S:0-1),gpu:v100:2" of a node, "gpu:1" of a job, or "(null)".
    """
    found: Counter[tuple[str, str]] = Counter()
    for item in filter(None, re.sub(r"\([^)]*\)", "", text).replace("=", ":").split(",")):
        name, *rest = item.strip().removeprefix("gres/").removeprefix("gres:").split(":")
        counted = re.fullmatch(r"(\d+)([KMG]?)", rest[-1]) if rest else None
        kind = rest[0] if len(rest) == 2 or (rest and not counted) else ""
        if name != "none":
            found[name, kind.lower()] += int(counted[1]) * _FACTORS[counted[2]] if counted else 1
    return found


def asked_gres(options: Mapping[str, Any]) -> Counter[tuple[str, str]]:
    """What a task asks for on its node. options: of sbatch, by their long names."""
    per = [
        str(options[key])
        for key in ("gpus", "gpus-per-node", "gpus-per-task", "gpus-per-socket")
        if key in options
    ]
    return parse_gres(
        ",".join(
            [
                str(options.get("gres", "")),
                *(f"gpu:{item}" for text in per for item in text.split(",")),
            ]
        )
    )


def asked_kinds(options: Mapping[str, Any]) -> dict[str, int]:
    """Kind of GPU or MIG slice, empty if the task names none -> how many of it a task asks for."""
    return {kind: count for (name, kind), count in asked_gres(options).items() if name == "gpu"}


def asked_gpus(options: Mapping[str, Any]) -> int:
    """How many GPUs, or MIG slices, a task asks for."""
    return sum(asked_kinds(options).values())
