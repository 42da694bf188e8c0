"""Planning and figures do without torch; training, and counting parameters, do not."""

from importlib.util import find_spec

from sweeps.errors import UserError


def check_installed() -> None:
    """Raises UserError, one line, when something that training needs is not installed. Imports nothing."""
    if missing := [
        name
        for name in ("torch", "torchvision", "torchdiffeq", "safetensors")
        if find_spec(name) is None
    ]:
        raise UserError(
            f"training needs {', '.join(missing)}, not installed here: pip install 'odesweep[train]'"
        )
