"""A user's own study file that imports what stands beside it: a module, and one of a package."""

from pathlib import Path

FILES = {
    "my_study.py": (
        "from my_base import BASE\nfrom my_parts.sizes import STEPS\nfrom sweeps.study import "
        "Scale, Study\n"
        "def late(values):\n    from my_late import WIDTH\n    return {'model.width': WIDTH}\n"
        "STUDY = Study('mine', 'Mine', 'Mine?', 'Yes.', BASE, {'only': Scale('Mine.')},\n"
        "              grid={'solver.steps': STEPS, 'size': {'small': late}})\n"
    ),
    "my_base.py": (
        "from tiny import BASE as TINY\nBASE = {**TINY, 'solver': {'name': 'euler', 'steps': 1}}\n"
    ),
    "tiny.py": Path(__file__).with_name("tiny.py").read_text(),
    "my_late.py": "WIDTH = 4\n",
    "my_parts/sizes.py": "STEPS = (1, 2)\n",
    "not_imported.py": "",
}


def write(folder: Path) -> Path:
    """Write the files into `folder`; the path of the study file."""
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder / "my_study.py"
