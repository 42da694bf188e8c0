"""Planning and figures work without torch. Training, and counting parameters, need it."""

from importlib.util import find_spec

from sweeps.errors import UserError


def check_installed() -> None:
    """Raises UserError, one line, if something that training needs is not installed.

    Imports nothing.
    """
    if missing := [
        name
        for name in ("torch", "torchvision", "torchdiffeq", "safetensors")
        if find_spec(name) is None
    ]:
        raise UserError(
            f"training needs {', '.join(missing)}, not installed here: pip install "
            "'odesweep[train]'"
        )
