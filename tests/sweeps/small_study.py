"""Small studies for the tests of planning."""

from typing import Any

from sweeps.study import Scale, Study

BASE = {
    "data": {"name": "spheres"},
    "model": {"name": "flat_node"},
    "solver": {"name": "euler", "steps": 2},
    "train": {"optimizer": {"name": "adam"}, "iterations": 10},
}


def study(**given: Any) -> Study:
    """A study called `small` with one scale, and whatever else is given."""
    return Study(
        **{
            "name": "small",
            "title": "A small study",
            "question": "Does it expand?",
            "expected": "Yes.",
            "base": BASE,
            "scales": {"full": Scale("Full scale.")},
        }
        | given
    )
