"""The models, one file each. A new file in this folder is found without being listed anywhere.

Raises TypeError on import for a model without builder or without counts of operations and weights.
"""

import pkgutil
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Union

from pydantic import Field

from odecore.config.model import Model

MODELS: dict[str, type[Model]] = {}
for _file in pkgutil.iter_modules(__path__, f"{__name__}."):
    for _model in vars(import_module(_file.name)).values():
        if not (isinstance(_model, type) and issubclass(_model, Model)):
            continue
        if _model.__module__ != _file.name:
            continue
        if (
            not hasattr(_model, "builder")
            or _model.operations is Model.operations
            or _model.weights is Model.weights
        ):
            raise TypeError(
                f"model {_model.__name__} needs a builder and methods operations and weights"
            )
        MODELS[_model.model_fields["name"].default] = _model

# A type checker cannot read the folder, so it sees the base class.
if TYPE_CHECKING:
    ModelConfig = Model
else:
    ModelConfig = Annotated[Union[tuple(MODELS.values())], Field(discriminator="name")]  # noqa: UP007
