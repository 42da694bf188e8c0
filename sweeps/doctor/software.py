"""Whether the libraries are there, and whether those that must fit together import together."""

import platform
from collections.abc import Iterator

from sweeps.doctor.finding import Finding, Situation, fail, good, version, warn
from sweeps.execute.registry import executors

# Package -> the extra that brings it (empty: the base install), and what needs it.
PACKAGES = {
    "odesweep": ("", ""),
    "pyarrow": ("", ""),
    "torch": ("train", "training"),
    "torchvision": ("train", "image data sets"),
    "torchdiffeq": ("train", "gradient adjoint and solver.backend torchdiffeq"),
    **{one.package: (name, f"executor {name}") for name, one in executors().items() if one.package},
}


def versions(_situation: Situation) -> Iterator[Finding]:
    """One line for what is there, one for each that is not."""
    there = [f"{package} {found}" for package in PACKAGES if (found := version(package))]
    yield good("versions", ", ".join([f"python {platform.python_version()}", *there]))
    for package, (extra, needed_for) in PACKAGES.items():
        if version(package) is None:
            yield _missing(package, extra, needed_for)


def _missing(package: str, extra: str, needed_for: str) -> Finding:
    if extra:
        return warn(
            package,
            f"not installed; needed for {needed_for}",
            f"pip install 'odesweep[{extra}]'",
        )
    return fail(
        package,
        "not installed",
        "pip install odesweep, or pip install -e . in its folder",
    )


def torch_imports(situation: Situation) -> Iterator[Finding]:
    """Torch and torchvision must come from builds that fit: a CPU-only torch does not import beside the registry's torchvision."""
    seen, why = situation.torch.answer()
    if seen is not None:
        yield good("torch", "torch, torchvision and torchdiffeq import together")
    elif why and all(version(package) for package in ("torch", "torchvision", "torchdiffeq")):
        yield fail(
            "torch",
            f"torch, torchvision and torchdiffeq do not import together: {why}",
            "install them together, from one place: pip install --force-reinstall torch torchvision torchdiffeq",
        )
