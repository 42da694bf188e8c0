"""What a study is: base, axes, seeds, evaluations and probes of the trained weights, and scales.

An axis is a dotted key of the spec with its values, or a name of its own whose values are labels,
each with the dotted keys it sets (or a function that gives these for the values so far). The order
of axes and values is the order of listings and plots. Conditions (`where`) are partial matches:
axis -> a value or a tuple of values. All values become plain (`sweeps.study.plain_data`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sweeps.errors import UserError
from sweeps.keep_weights import Keep, choice
from sweeps.study import checked
from sweeps.study.plain_data import listed, plain, records, section, text

Where = Mapping[str, Any]
# Keys that depend on the values so far, those of the base and of the axes before.
Dependent = Callable[[Mapping[str, Any]], Mapping[str, Any]]
Values = Sequence[Any] | Mapping[str, Mapping[str, Any] | Dependent]


def matches(cell: Mapping[str, Any], where: Where) -> bool:
    """Whether `cell` has every axis of `where`, at one of the values given there."""
    return all(
        axis in cell and cell[axis] in (wanted if isinstance(wanted, tuple) else (wanted,))
        for axis, wanted in where.items()
    )


@dataclass(frozen=True)
class Exclude:
    """Cells of the product that are left out, and why.

    when: a further condition that `where` cannot express.
    """

    reason: str
    where: Where = field(default_factory=dict)
    when: Callable[[Mapping[str, Any]], bool] | None = None

    def __call__(self, cell: Mapping[str, Any]) -> bool:
        """Whether `cell` is left out. Raises UserError if `when` fails."""
        if not matches(cell, self.where):
            return False
        try:
            return self.when is None or bool(self.when(cell))
        except UserError:
            raise
        except Exception as error:
            raise UserError(
                f"exclude {self.reason!r}: its `when` failed for {dict(cell)}: "
                f"{type(error).__name__}: {error}"
            ) from error

    def __post_init__(self) -> None:
        place = f"exclude {text(self.reason, 'the reason of an exclude')!r}"
        checked.settle(self, where=section(self.where, f"{place}: where"))
        if self.when is not None and not callable(self.when):
            raise UserError(f"{place}: when is of type {type(self.when).__name__}; give a function")


# Stands for the test solver that equals the solver at the end of the training; also for models
# without ODE.
TRAINED = "trained"


@dataclass(frozen=True)
class EvaluationGrid:
    """Test solvers, each at absolute `steps` or `tolerances`, or at `factors` of the training's.

    factors: ceil(steps * factor), at least 1, or tolerance * factor. Fixed-step solvers take steps,
    adaptive ones tolerances. Factors need a net trained with a solver of the same kind. `trained`
    takes nothing. max_evaluations: limit on NFE of adaptive solvers. settings: other fields of
    `odecore.config.Evaluation`, such as split or limit. where: only these cells.
    """

    name: str
    solvers: Sequence[str] = (TRAINED,)
    factors: Sequence[float] = ()
    steps: Sequence[int] = ()
    tolerances: Sequence[float] = ()
    max_evaluations: int | None = None
    where: Where = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        place = f"evaluations {text(self.name, 'the name of evaluations')!r}"
        checked.settle(
            self,
            solvers=[
                text(solver, f"{place}: a solver")
                for solver in listed(self.solvers, f"{place}: solvers")
            ],
            factors=checked.factors(self.factors, place),
            steps=listed(self.steps, f"{place}: steps"),
            tolerances=listed(self.tolerances, f"{place}: tolerances"),
            max_evaluations=plain(self.max_evaluations, f"{place}: max_evaluations"),
            where=section(self.where, f"{place}: where"),
            settings=section(self.settings, f"{place}: settings"),
        )
        if bool(self.factors) and bool(self.steps or self.tolerances):
            raise UserError(f"{place}: give either factors, or steps and tolerances")


@dataclass(frozen=True)
class ProbeGrid:
    """Probe `probe` under the training's solver or under `solver`.

    factors: of the training's steps or tolerance. settings: the probe's other fields. `series` is
    recorded in training and takes no solver.
    """

    name: str
    probe: str
    factors: Sequence[float] = (1,)
    solver: Mapping[str, Any] | None = None
    where: Where = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        place = f"probes {text(self.name, 'the name of probes')!r}"
        text(self.probe, f"{place}: probe")
        checked.settle(
            self,
            factors=checked.factors(self.factors, place),
            solver=None if self.solver is None else section(self.solver, f"{place}: solver"),
            where=section(self.where, f"{place}: where"),
            settings=section(self.settings, f"{place}: settings"),
        )


@dataclass(frozen=True)
class Scale:
    """A declared change of the whole study. label: the sentence that captions print.

    overrides: dotted keys that win over the base and over what the labels of axes set. axes: axis
    -> the values kept (zipped partners follow). evaluations and probes replace the study's own.
    thin: of every axis not named in `axes` only the first and last value are kept, and of the seeds
    the first.
    """

    label: str
    overrides: Mapping[str, Any] = field(default_factory=dict)
    axes: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    seeds: Sequence[int] | None = None
    evaluations: Sequence[EvaluationGrid] | None = None
    probes: Sequence[ProbeGrid] | None = None
    thin: bool = False

    def __post_init__(self) -> None:
        place = f"scale {text(self.label, 'the label of a scale')!r}"
        axes = section(self.axes, f"{place}: axes")
        checked.settle(
            self,
            overrides=section(self.overrides, f"{place}: overrides"),
            axes={axis: listed(kept, f"{place}: {axis}") for axis, kept in axes.items()},
            seeds=None if self.seeds is None else listed(self.seeds, f"{place}: seeds"),
            **_derived(self, place),
        )


@dataclass(frozen=True)
class Study:
    """One question, as a grid of training runs. See the module docstring for axes.

    base: the spec's sections, or dotted keys. zip: groups of axes that advance together. include:
    cells beyond the product. when: axis -> the condition under which it exists, on axes declared
    before it. testing: a study for testing odesweep, not of a paper. The first scale is the
    default. overrides: of the current scale; they are applied after the axes. swept: axes that
    the command line made; they are applied last. keep_weights: which trained nets keep their
    weights, see `sweeps.keep_weights`.
    """

    name: str
    title: str
    question: str
    expected: str
    base: Mapping[str, Any]
    scales: Mapping[str, Scale]
    grid: Mapping[str, Values] = field(default_factory=dict)
    zip: Sequence[Sequence[str]] = ()
    include: Sequence[Mapping[str, Any]] = ()
    exclude: Sequence[Exclude] = ()
    when: Mapping[str, Where] = field(default_factory=dict)
    seeds: Sequence[int] = (0,)
    evaluations: Sequence[EvaluationGrid] = ()
    probes: Sequence[ProbeGrid] = ()
    paper: str = ""
    fidelity: str = ""
    testing: bool = False
    overrides: Mapping[str, Any] = field(default_factory=dict)
    keep_weights: Keep = "ode"
    swept: Sequence[str] = ()

    def __post_init__(self) -> None:
        checked.check_name(self.name)
        place = f"study {self.name}"
        for name in ("title", "question", "expected", "paper", "fidelity"):
            text(getattr(self, name), f"{place}: {name}")
        checked.settle(
            self,
            base=section(self.base, f"{place}: base"),
            grid=checked.grid(self.grid, place),
            scales=checked.scales(self.scales, Scale, place),
            zip=[
                [text(axis, f"{place}: zip") for axis in listed(group, f"{place}: zip")]
                for group in listed(self.zip, f"{place}: zip")
            ],
            include=[
                section(cell, f"{place}: include")
                for cell in listed(self.include, f"{place}: include")
            ],
            exclude=records(self.exclude, Exclude, f"{place}: exclude"),
            when={
                axis: section(where, f"{place}: when {axis}")
                for axis, where in section(self.when, f"{place}: when").items()
            },
            seeds=listed(self.seeds, f"{place}: seeds"),
            overrides=section(self.overrides, f"{place}: overrides"),
            **_derived(self, place),
        )
        choice(self.keep_weights, f"{place}: keep_weights")
        self._check_names()
        self._check_zip()

    def _check_names(self) -> None:
        conditions = [
            *(("exclude", e.where) for e in self.exclude),
            *(("when", {axis: None, **where}) for axis, where in self.when.items()),
        ]
        conditions += [(f"{kind.name!r}", kind.where) for kind in (*self.evaluations, *self.probes)]
        included = {axis for cell in self.include for axis in cell}
        for axis in included:
            checked.check_axis(axis, f"study {self.name}")
        for place, where in conditions:
            for axis in where:
                if axis not in self.grid and axis not in included:
                    raise self._no_axis(place, axis)
        for name, scale in self.scales.items():
            for axis in scale.axes:
                if axis not in self.grid:
                    raise self._no_axis(f"scale {name}", axis)
        order = list(self.grid)
        for axis, where in self.when.items():
            for other in where:
                if axis in order and other in order and order.index(other) > order.index(axis):
                    raise UserError(
                        f"study {self.name}: {axis} exists only for some values of {other}; "
                        f"declare {other} before it"
                    )

        for cell in self.include:
            for axis, value in cell.items():
                values = self.grid.get(axis)
                if isinstance(values, Mapping) and value not in list(values):
                    raise UserError(
                        f"study {self.name}: include names {axis} = {value!r}; choose from "
                        f"{', '.join(values)}"
                    )

    def _no_axis(self, place: str, axis: str) -> UserError:
        return UserError(
            f"study {self.name}: {place} names {axis!r}, which is not an axis; axes: "
            f"{', '.join(self.grid) or 'none'}"
        )

    def _check_zip(self) -> None:
        zipped = [axis for group in self.zip for axis in group]
        for axis in zipped:
            if axis not in self.grid:
                raise self._no_axis("zip", axis)
            if zipped.count(axis) > 1:
                raise UserError(f"study {self.name}: {axis} is zipped twice")
        for group in self.zip:
            lengths = {axis: len(self.grid[axis]) for axis in group}
            if len(set(lengths.values())) > 1:
                raise UserError(
                    f"study {self.name}: zipped axes differ in length: "
                    f"{', '.join(f'{axis} {n}' for axis, n in lengths.items())}"
                )

    def partners(self, axis: str) -> Sequence[str]:
        """The zip group of `axis`; just the axis itself if it is not zipped."""
        return next((group for group in self.zip if axis in group), (axis,))

    def keep(self, axis: str, indices: Sequence[int]) -> "Study":
        """The study with only these positions of `axis` and of its zipped partners."""
        grid = dict(self.grid)
        for name in self.partners(axis):
            values = grid[name]
            if isinstance(values, Mapping):
                labels = list(values)
                grid[name] = {labels[i]: values[labels[i]] for i in indices}
            else:
                grid[name] = [values[i] for i in indices]
        return replace(self, grid=grid)

    def at_scale(self, name: str | None) -> "Study":
        """The study at scale `name` (None: the first scale).

        Raises UserError for a scale that it does not have.
        """
        if name is None:
            name = next(iter(self.scales))
        if name not in self.scales:
            raise UserError(
                f"study {self.name} has no scale {name!r}; choose from {', '.join(self.scales)}"
            )
        scale = self.scales[name]
        study = self
        for axis, kept in scale.axes.items():
            values = list(study.grid[axis])
            missing = [value for value in kept if value not in values]
            if missing:
                raise UserError(
                    f"study {self.name}: scale {name} keeps {axis} = {missing[0]!r}, which is not "
                    "on the axis"
                )
            study = study.keep(axis, [values.index(value) for value in kept])
        if scale.thin:
            named = {partner for axis in scale.axes for partner in self.partners(axis)}
            for axis in self.grid:
                last = len(study.grid[axis]) - 1
                if axis not in named and last > 1:
                    study = study.keep(axis, (0, last))
        lost = {
            axis: [value for value in values if value not in study.grid[axis]]
            for axis, values in self.grid.items()
        }
        kept_cells = [
            cell
            for cell in self.include
            if not any(cell[axis] in lost.get(axis, ()) for axis in cell)
        ]
        return replace(
            study,
            overrides=scale.overrides,
            include=kept_cells,
            seeds=scale.seeds
            if scale.seeds is not None
            else study.seeds[:1]
            if scale.thin
            else study.seeds,
            evaluations=study.evaluations if scale.evaluations is None else scale.evaluations,
            probes=study.probes if scale.probes is None else scale.probes,
            scales={name: scale},
        )


def _derived(owner: "Scale | Study", place: str) -> dict[str, Any]:
    """The evaluations and probes of a study or of one of its scales; None: the study's own."""
    return {
        name: None
        if found is None and isinstance(owner, Scale)
        else records(found, kind, f"{place}: {name}")
        for name, kind in (("evaluations", EvaluationGrid), ("probes", ProbeGrid))
        for found in (getattr(owner, name),)
    }
