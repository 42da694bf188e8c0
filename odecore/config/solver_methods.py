"""Each explicit Runge-Kutta method as one record: its numbers, its source and how figures show it.

To add a method, add a record to METHODS. The spec, costs, legends and tests follow from it.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class ButcherTableau:
    """Explicit Runge-Kutta method with s stages.

    k_i = f(t + c_i h, x + h sum_j a_ij k_j),  x1 = x + h sum_i b_i k_i,  error = h sum_i e_i k_i

    a: row i has i entries. error: e = b - b_embedded, None for a method without an embedded one.
    reuses_inexact_slope: the next step starts with k_s although it was not taken at x1.
    """

    order: int
    c: tuple[float, ...]
    a: tuple[tuple[float, ...], ...]
    b: tuple[float, ...]
    error: tuple[float, ...] | None = None
    reuses_inexact_slope: bool = False

    @property
    def stages(self) -> int:
        """Calls of f in a step that reuses nothing."""
        return len(self.c)

    @property
    def ends_on_last_stage(self) -> bool:
        """Whether the last stage is evaluated at x1, so that x1 needs no further combination."""
        return self.b[-1] == 0 and self.a[-1] == self.b[:-1]

    @property
    def reuses_last_slope(self) -> bool:
        """Whether k_s is the first slope of the next step ("first same as last")."""
        return self.ends_on_last_stage or self.reuses_inexact_slope

    @property
    def adaptive_step_nfe(self) -> int:
        """Calls of f in a step of the adaptive loop, which knows k_1 from the previous step."""
        return self.stages - self.reuses_last_slope


@dataclass(frozen=True)
class Method:
    """One method.

    A tableau with an error estimate makes it adaptive, otherwise it takes fixed steps.

    name: in specs. label, marker: in figures. torchdiffeq: its name there, None if it is missing.
    revision: raise it when a fix changes what the method computes; its rows become stale.
    """

    name: str
    label: str
    marker: str
    torchdiffeq: str | None
    tableau: ButcherTableau
    revision: int = 1


# Order of listings and legends.
METHODS = (
    # Euler (1768), Institutionum calculi integralis I, section 650.
    Method("euler", "Euler", "o", "euler", ButcherTableau(order=1, c=(0,), a=((),), b=(1,))),
    # Runge (1895), Math. Ann. 46, 167-178: the midpoint rule.
    Method(
        "midpoint",
        "midpoint",
        "x",
        "midpoint",
        ButcherTableau(order=2, c=(0, 1 / 2), a=((), (1 / 2,)), b=(0, 1)),
    ),
    # Heun (1900), Z. Math. Phys. 45, 23-38: the explicit trapezoidal rule; torchdiffeq calls it
    # heun2.
    Method(
        "heun",
        "Heun",
        "P",
        "heun2",
        ButcherTableau(order=2, c=(0, 1), a=((), (1,)), b=(1 / 2, 1 / 2)),
    ),
    # Heun (1900), the third-order method of the same paper.
    Method(
        "heun3",
        "Heun3",
        "*",
        "heun3",
        ButcherTableau(
            order=3, c=(0, 1 / 3, 2 / 3), a=((), (1 / 3,), (0, 2 / 3)), b=(1 / 4, 0, 3 / 4)
        ),
    ),
    # Kutta (1901), Z. Math. Phys. 46, 435-453: the classical method.
    Method(
        "rk4",
        "RK4 (classical)",
        "^",
        None,
        ButcherTableau(
            order=4,
            c=(0, 1 / 2, 1 / 2, 1),
            a=((), (1 / 2,), (0, 1 / 2), (0, 0, 1)),
            b=(1 / 6, 1 / 3, 1 / 3, 1 / 6),
        ),
    ),
    # Kutta (1901), the 3/8 rule of the same paper; torchdiffeq calls it rk4.
    Method(
        "rk4_38",
        "RK4 (3/8 rule)",
        ">",
        "rk4",
        ButcherTableau(
            order=4,
            c=(0, 1 / 3, 2 / 3, 1),
            a=((), (1 / 3,), (-1 / 3, 1), (1, -1, 1)),
            b=(1 / 8, 3 / 8, 3 / 8, 1 / 8),
        ),
    ),
    # Bogacki & Shampine (1989), Appl. Math. Lett. 2, 321-325. Order 3(2).
    Method(
        "bosh3",
        "Bosh3",
        "v",
        "bosh3",
        ButcherTableau(
            order=3,
            c=(0, 1 / 2, 3 / 4, 1),
            a=((), (1 / 2,), (0, 3 / 4), (2 / 9, 1 / 3, 4 / 9)),
            b=(2 / 9, 1 / 3, 4 / 9, 0),
            error=(2 / 9 - 7 / 24, 1 / 3 - 1 / 4, 4 / 9 - 1 / 3, -1 / 8),
        ),
    ),
    # Fehlberg (1969), NASA TR R-315, RK1(2), continued with the second-order solution. Its last
    # slope is taken at the first-order solution. Reusing it is therefore an approximation, with an
    # error of O(h^2)/512. torchdiffeq reuses it, and the papers' step counts depend on that.
    Method(
        "fehlberg2",
        "Fehlberg2",
        "s",
        "fehlberg2",
        ButcherTableau(
            order=2,
            c=(0, 1 / 2, 1),
            a=((), (1 / 2,), (1 / 256, 255 / 256)),
            b=(1 / 512, 255 / 256, 1 / 512),
            error=(-1 / 512, 0, 1 / 512),
            reuses_inexact_slope=True,
        ),
    ),
    # Dormand & Prince (1980), J. Comput. Appl. Math. 6, 19-26; error weights of Shampine (1986),
    # Math. Comp. 46, 135-150. Order 5(4).
    Method(
        "dopri5",
        "Dopri5",
        "D",
        "dopri5",
        ButcherTableau(
            order=5,
            c=(0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1, 1),
            a=(
                (),
                (1 / 5,),
                (3 / 40, 9 / 40),
                (44 / 45, -56 / 15, 32 / 9),
                (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
                (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
                (35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
            ),
            b=(35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84, 0),
            error=(
                35 / 384 - 1951 / 21600,
                0,
                500 / 1113 - 22642 / 50085,
                125 / 192 - 451 / 720,
                -2187 / 6784 + 12231 / 42400,
                11 / 84 - 649 / 6300,
                -1 / 60,
            ),
        ),
    ),
)

FIXED_STEP = {method.name: method.tableau for method in METHODS if method.tableau.error is None}
EMBEDDED_PAIRS = {
    method.name: method.tableau for method in METHODS if method.tableau.error is not None
}
REVISIONS = {method.name: method.revision for method in METHODS}
TORCHDIFFEQ_NAMES = {
    method.name: method.torchdiffeq for method in METHODS if method.torchdiffeq is not None
}


def torchdiffeq_name(name: str) -> str:
    """The method's name in torchdiffeq. Raises ValueError if torchdiffeq does not have it."""
    if name not in TORCHDIFFEQ_NAMES:
        hint = " (its rk4 is our rk4_38)" if name == "rk4" else ""
        raise ValueError(
            f"torchdiffeq has no {name!r}{hint}; use solver.backend = odecore"
            f" or solver.name = {', '.join(TORCHDIFFEQ_NAMES)}"
        )
    return TORCHDIFFEQ_NAMES[name]
