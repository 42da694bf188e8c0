"""How often verdicts err where the truth lies at the threshold, by simulation.

docs/verdicts.md prints the same numbers.
"""

from pathlib import Path

import numpy as np
import pytest

from analysis.claims import Claim, Evidence, Region, above, within
from analysis.statistic import Estimate, Quantity, mean
from analysis.stats import t_interval
from analysis.verdict import CONTRADICTED, ERROR, REPRODUCED, judge_parts

DRAWS = 2_000
PAGE = Path(__file__).parents[2] / "docs" / "verdicts.md"
# Region, parts, and the true mean of each part at an end of the region, in standard deviations of a
# seed.
ONE, FIVE, EQUAL = (above(0.0), 1, 0.0), (above(0.0), 5, 0.0), (within(-4.0, 4.0), 1, 4.0)


def rates(n: int, holds: Region, parts: int, truth: float) -> tuple[float, float]:
    """How often any part is contradicted, and how often all are reproduced."""
    quantity = Quantity(lambda data: data.runs)
    claim = Claim("p", "k", "S.", "T", "s", quantity, mean, holds, "m", evidence=Evidence(seeds=3))
    rng = np.random.default_rng(n)
    contradicted = reproduced = 0
    for samples in rng.normal(truth, 1.0, size=(DRAWS, parts, n)):
        estimates = {
            str(part): Estimate(
                float(sample.mean()), *t_interval(sample), n, sample=tuple(map(float, sample))
            )
            for part, sample in enumerate(samples)
        }
        verdicts = list(judge_parts(claim, estimates).values())
        contradicted += CONTRADICTED in verdicts
        reproduced += verdicts.count(REPRODUCED) == parts
    return contradicted / DRAWS, reproduced / DRAWS


@pytest.mark.parametrize("n", range(3, 11))
def test_at_most_one_verdict_in_twenty_is_false(n: int) -> None:
    found = [rate for case in (ONE, FIVE, EQUAL) for rate in rates(n, *case)]
    assert max(found) <= ERROR
    cells = " | ".join(f"{100 * rate:.1f}" for rate in found)
    assert f"| {n} | {cells} |" in PAGE.read_text(encoding="utf-8")
