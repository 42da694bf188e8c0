"""Whether the libraries are installed, and whether those that must fit can be imported together."""

import platform
from collections.abc import Iterator

from sweeps.doctor.finding import Finding, Situation, fail, good, version, warn
from sweeps.execute.registry import executors

# Package -> the extra that installs it (empty: the base install), and what needs it.
PACKAGES = {
    "odesweep": ("", ""),
    "pyarrow": ("", ""),
    "torch": ("train", "training"),
    "torchvision": ("train", "image data sets"),
    "torchdiffeq": ("train", "gradient adjoint and solver.backend torchdiffeq"),
    **{one.package: (name, f"executor {name}") for name, one in executors().items() if one.package},
}


def versions(_situation: Situation) -> Iterator[Finding]:
    """One line for all installed packages, and one for each missing package."""
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
    """Whether torch and torchvision come from builds that fit together.

    A CPU-only torch cannot be imported together with the torchvision of the package registry.
    """
    if situation.login_node:
        if version("torch"):
            text = "not imported on a login node; with --profile a test job imports it"
            yield good("torch", text)
        return
    seen, why = situation.torch.answer()
    if seen is not None:
        yield good("torch", "torch, torchvision and torchdiffeq can be imported together")
    elif why and all(version(package) for package in ("torch", "torchvision", "torchdiffeq")):
        yield fail(
            "torch",
            f"torch, torchvision and torchdiffeq cannot be imported together: {why}",
            "install them together from one source: pip install --force-reinstall torch "
            "torchvision torchdiffeq",
        )
