"""`odesweep new`: a study file to begin with."""

import json
from pathlib import Path
from typing import Annotated

import typer

from sweeps.errors import InfrastructureError, UserError

_TEMPLATE = """\
# A study: one question, as a grid of training runs. To see it, run it, and follow it:
#   odesweep plan {path}
#   odesweep run {path}
#   odesweep status {path}
# Every field is explained in docs/studies.md. Editors complete and check this file by a schema:
#   odesweep new --schema > study.schema.json
#:schema ./study.schema.json

name = "{name}"
title = "Solver steps and width on concentric spheres"
question = "How many solver steps does a small net need?"
expected = "Write here what you expect, before you look at the results."
# Every cell of the grid is trained once with each seed.
seeds = [0, 1]

# What all trials share. `odesweep models` lists the models; a wrong name or key is answered with
# those that are valid.
[base]
data = {{ name = "spheres", dimension = 2, train_size = 512, test_size = 512 }}
model = {{ name = "flat_node", width = 32 }}
solver = {{ name = "euler", steps = 2 }}

[base.train]
optimizer = {{ name = "adam", lr = 1e-2 }}
batch_size = 64
iterations = 200

# The axes: every combination of their values is a cell. A key of the spec stands in quotes. On the
# command line, solver.steps=1,2 keeps two values, +solver.steps=16 adds one, and
# train.optimizer.lr=1e-3,1e-2 makes another axis.
[grid]
"solver.steps" = [1, 2, 8]

# An axis of your own: each of its names sets keys of the spec.
[grid.size]
small = {{ "model.width" = 8 }}
large = {{ "model.width" = 32 }}

# The accuracy of the trained weights under other solvers: here with half, the same and twice as
# many steps as in training.
[[evaluations]]
name = "factors"
solvers = ["euler", "rk4"]
factors = [0.5, 1, 2]

# The sizes of the study; the first is the default. The label is printed under every figure.
[scales.full]
label = "Full scale: 200 iterations, 2 seeds."

# `--scale smoke` shows that everything runs: the ends of every axis, one seed, few iterations.
[scales.smoke]
label = "Smoke scale: 5 iterations; not a result."
thin = true
overrides = {{ "train.iterations" = 5 }}
"""


def new(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="The study's name, or the path of its file."),
    ] = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema of study files, for editors.")
    ] = False,
) -> None:
    """Write a commented study file, NAME.toml, that runs at once."""
    from sweeps.studies import studies
    from sweeps.study.checked import check_name

    if schema:
        from sweeps.study.study_schema import study_schema

        print(json.dumps(study_schema(), indent=1))
        return
    if not name:
        raise UserError("give the study a name, such as `odesweep new my_study`")
    path = Path(name if name.endswith(".toml") else f"{name}.toml")
    check_name(path.stem)
    if path.stem in studies():
        raise UserError(f"{path.stem!r} is the name of a shipped study; choose another")
    reference = path if path.is_absolute() else f"./{path}"
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(_TEMPLATE.format(name=path.stem, path=reference))
    except FileExistsError:
        raise UserError(f"{path} is already there; choose another name") from None
    except OSError as error:
        raise InfrastructureError(f"cannot write {path}: {error.strerror}") from None
    print(f"wrote {path}; next: odesweep plan {reference}")
