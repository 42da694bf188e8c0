"""The columns of a trial's spec: one for each field of each section that a spec may hold.

A column is named section_field and is null where the chosen record lacks the field.
"""

from collections.abc import Iterator
from typing import Any, get_args, get_origin

import pyarrow as pa
from pydantic import BaseModel

from odecore.config import TrialSpec

# The columns of version 2 keep their places; those of newer fields follow.
_FIRST = """
data_name data_dimension data_train_size data_test_size data_draw data_train_limit
data_test_limit data_source data_standardize data_augment model_name model_width model_kind
model_seconds model_fault model_at_step model_layers model_blocks model_channels model_order
model_backbone model_dynamics model_start model_stem model_output model_bias model_time
model_steer model_alpha model_beta model_gamma model_delta model_norm_name model_norm_groups
model_norm_grid_size model_norm_interpolation model_norm_momentum model_norm_penalty
model_stem_norm_name model_stem_norm_groups model_stem_norm_grid_size
model_stem_norm_interpolation model_stem_norm_momentum model_stem_norm_penalty
model_residual_norm_name model_residual_norm_groups model_residual_norm_grid_size
model_residual_norm_interpolation model_residual_norm_momentum model_residual_norm_penalty
model_ode_norm_name model_ode_norm_groups model_ode_norm_grid_size
model_ode_norm_interpolation model_ode_norm_momentum model_ode_norm_penalty model_enorm_c
model_enorm_cycles model_enorm_last_layer model_enorm_dead_units solver_name solver_steps
solver_tolerance solver_max_evaluations solver_backend solver_test gradient_name
gradient_every gradient_tolerance train_optimizer_name train_optimizer_lr
train_optimizer_weight_decay train_optimizer_momentum train_batch_size train_iterations
train_epochs train_drop_last train_record_every train_schedule_name train_schedule_drops
train_schedule_unit train_schedule_factor train_schedule_start train_schedule_every
train_gradient_clip train_also_test precision fidelity_accuracy_divisor
fidelity_anode_side_effects fidelity_momentum_reset seed
""".split()  # noqa: SIM905 - one name after another reads best


def spec_types() -> dict[str, pa.DataType]:
    """Column -> its type, in the order of the columns."""
    values: dict[str, set[type]] = {}
    for name, kind in _fields(TrialSpec, ""):
        values.setdefault(name, set()).add(kind)
    names = dict.fromkeys([*(name for name in _FIRST if name in values), *values])
    return {name: _arrow(values[name]) for name in names}


def _fields(section: type[BaseModel], prefix: str) -> Iterator[tuple[str, type]]:
    """Column and type of value, for every choice that the section's fields allow."""
    for name, field in section.model_fields.items():
        for kind in _kinds(field.annotation):
            if issubclass(kind, BaseModel):
                yield from _fields(kind, f"{prefix}{name}_")
            else:
                yield prefix + name, kind


def _kinds(annotation: Any) -> Iterator[type]:
    """The types of value that an annotation allows, but for None; a list is written as text."""
    if get_origin(annotation) is tuple:
        yield str
    elif isinstance(annotation, type):
        if annotation is not type(None):
            yield annotation
    else:
        for part in get_args(annotation):
            # The arguments of a Literal are values; those of Annotated have marks among them.
            if isinstance(part, str | int):
                yield type(part)
            else:
                yield from _kinds(part)


def _arrow(kinds: set[type]) -> pa.DataType:
    for kind, column in ((str, pa.string()), (float, pa.float64()), (int, pa.int64())):
        if kind in kinds:
            return column
    return pa.bool_()
