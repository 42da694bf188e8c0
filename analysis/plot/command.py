"""`odereport plot`: pictures of one study, as asked for or as the study suggests."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from analysis.drawing.figure import Figure
from analysis.errors import ReportError, nearest
from analysis.make import CONSOLE, INCOMPLETE, Reader, save
from analysis.plot.chart import Wish, chart
from analysis.plot.figures import figure
from analysis.plot.names import Names
from analysis.plot.page import Picture, page
from analysis.rows.data import Data
from analysis.rows.read import SCALES, Folder, NoPlan, by_preference
from sweeps.store import PlanInfo

# A study's file, with the study in it if there are several: `./my_study.py:second`.
STUDY_FILE = re.compile(r"(?P<file>.+\.(?:py|toml))(?::(?P<inside>.+))?")


def plot(study: str, wish: Wish, where: Sequence[str], reader: Reader, out: Path) -> int:
    """Draw the picture of a wish, or a page of pictures if it says nothing.

    study: a study, the name of a saved plan, or a study's file. Returns the exit code.
    """
    plan = find_plan(reader.folder, study, reader.scale)
    data = rows_of(reader, study, plan)
    codes = []
    for picture in pictures(data.with_variants, plan, wish, where):
        if isinstance(picture, Figure):
            codes.append(save(picture, data, out / stem(picture.name)))
        else:
            name, reason = picture
            CONSOLE.print(f"{name}: left out, {reason}")
    for other in left_out(reader.folder, study, plan):
        CONSOLE.print(
            f"not drawn: plan {other.name} ({' '.join(other.overrides)}), which changes the study; "
            f"`odereport plot {other.name}` draws it"
        )
    return max(codes, default=INCOMPLETE)


def rows_of(reader: Reader, study: str, plan: str) -> Data:
    """The rows of `plan`, which is what `study` means (`find_plan`).

    A plan's own name means that plan alone; a study also what was added to it, such as +seed=3.
    """
    return reader(plan, added=None if study == plan else "+")


def left_out(folder: Folder, study: str, plan: str) -> list[PlanInfo]:
    """The plans of the same study and scale that change it, so that their rows are others."""
    names = [] if study == plan else folder.plan_names
    others = [folder.plan(name)[0] for name in names if name.startswith(f"{plan}+")]
    return [other for other in others if not other.adds_to(plan)]


def pictures(data: Data, plan: str, wish: Wish, where: Sequence[str] = ()) -> Iterator[Picture]:
    """The pictures of a wish, named `plan/picture`. Raises ReportError in one line."""
    if where:
        data = Names(data).where(where)
    if wish == Wish():
        yield from page(data, "_".join([plan, *where]), where)
    else:
        yield figure(data, chart(data, wish), f"{plan}/{picture_name(wish, where)}", where)


def picture_name(wish: Wish, where: Sequence[str]) -> str:
    """A name that says what was asked for: `accuracy_test_line_by_steps_norm`."""
    roles = [role for role in (wish.x, wish.hue, *wish.col) if role is not None]
    parts = [wish.y, wish.kind, *(["by", *roles] if roles else []), *where]
    return "_".join(part.replace("/", "-") for part in parts if part)


def stem(name: str) -> str:
    """The name of the files of a picture."""
    return re.sub(r"[@ =,]+", "-", name.replace("/", "_"))


def find_plan(folder: Folder, study: str, scale: str | None) -> str:
    """The saved plan that a study, a plan's name or a study's file means.

    Of several scales the first of `by_preference`. Raises ReportError with the nearest names,
    NoPlan with the command where the folder has no plan at all.
    """
    names = folder.plan_names
    if study in names:
        if scale not in (None, folder.plan(study)[0].scale):
            raise ReportError(f"{study} has a scale already; leave out --scale {scale}")
        return study
    infos = [folder.plan(name)[0] for name in names]
    fit = [info for info in infos if _means(study, info) and scale in (None, info.scale)]
    # A plan with overrides stands in only where there is no other.
    fit = [info for info in fit if not info.overrides] or fit
    if len({info.study for info in fit}) == 1:
        scales = by_preference(info.scale for info in fit)
        if len({info.scale for info in fit} - set(SCALES)) < 2 or scales[0] in SCALES:
            fit = [info for info in fit if info.scale == scales[0]]
    if len(fit) == 1:
        return fit[0].name
    at_scale = f" at scale {scale}" if scale else ""
    if fit:
        found = ", ".join(info.name for info in fit)
        raise ReportError(f"several plans of {study}{at_scale}; name one of them: {found}")
    if not names:
        command = f"odesweep plan {study} --save --results {folder.path}"
        raise NoPlan(f"no plan of {study}{at_scale} in {folder.path}", command)
    if here := by_preference(info.scale for info in infos if _means(study, info)):
        raise ReportError(
            f"no plan of {study}{at_scale} in {folder.path}; scales here: {', '.join(here)}"
        )
    known = dict.fromkeys([*(info.study for info in infos), *names])
    raise ReportError(f"no plan of {study}{at_scale} in {folder.path}; {nearest(study, known)}")


def _means(study: str, info: PlanInfo) -> bool:
    if study == info.study:
        return True
    # A file may be given by another path than when it was planned.
    given, known = (STUDY_FILE.fullmatch(reference) for reference in (study, info.reference))
    if given is None or known is None:
        return False
    same_file = Path(given["file"]).name == Path(known["file"]).name
    return same_file and given["inside"] in (None, known["inside"])
