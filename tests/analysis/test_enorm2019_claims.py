"""ENorm 2019: each claim in a world in which it holds and in one in which it fails."""

from pathlib import Path
from typing import Any

import pytest
from synthetic import Cell, Run, World, data_of, jitter

from analysis.claims.claim import Evidence, select
from analysis.claims.verdict import CONTRADICTED, INCONCLUSIVE, REPRODUCED, Judgement, judge

STUDIES = ("enorm2019/report", "enorm2019/controls")
CLAIMS = select("enorm2019")
AS_REPORTED = {
    "Baseline": 0.50,
    "BN": 0.54,
    "ENorm": 0.55,
    "ENorm + BN": 0.57,
    "Baseline, bias": 0.51,
    "ENorm, bias": 0.56,
}
OTHERWISE = {
    "Baseline": 0.57,
    "BN": 0.56,
    "ENorm": 0.55,
    "ENorm + BN": 0.54,
    "Baseline, bias": 0.55,
    "ENorm, bias": 0.53,
}


def costs(relative: float) -> dict[str, Any]:
    """Time and memory of a training on a device."""
    return {
        "device": "NVIDIA H200",
        "train_seconds": 100.0 * relative,
        "peak_memory_bytes": int(1e9 * relative),
    }


class Reported(World):
    """Accuracies in the report's order.

    ENorm with bias is NaN above 9 layers, without in 3 of 25 deep runs; softmax is stuck at chance.
    """

    def run(self, cell: Cell) -> Run:
        depth, noise = int(cell["model.layers"]), jitter(cell.seed, 0.0005)
        if cell.study == STUDIES[1]:
            return Run(0.1 + noise, curve=[0.1])
        method = cell["method"]
        failed = method == "ENorm, bias" and depth > 9
        failed |= method == "ENorm" and (depth, cell.seed) in ((15, 1), (17, 4), (19, 2))
        if failed:
            return Run(0.1, "diverged", curve=[], columns={"outcome_epoch": 0})
        low = 0.01 if method == "ENorm + BN" and depth == 19 else 0.0
        accuracy = AS_REPORTED[method] - low - 0.002 * depth + noise
        return Run(accuracy, curve=[0.5], columns=costs(0.8 if method == "ENorm" else 1.0))


class Otherwise(World):
    """The baseline is best and ENorm + BN worst; ENorm is NaN without bias and not with it.

    Softmax learns or is NaN.
    """

    def run(self, cell: Cell) -> Run:
        depth, noise = int(cell["model.layers"]), jitter(cell.seed, 0.0005)
        if cell.study == STUDIES[1]:
            return Run(0.5, "diverged", curve=[]) if depth < 10 else Run(0.5 + noise, curve=[0.5])
        if cell["method"] == "ENorm" and depth > 9 and cell.seed != 0:
            return Run(0.1, "diverged", curve=[], columns={"outcome_epoch": 30})
        more = 1.2 if cell["method"] == "ENorm" else 1.0
        return Run(OTHERWISE[cell["method"]] + noise, curve=[0.5], columns=costs(more))


Verdicts = dict[tuple[str, str], Judgement]


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> Verdicts:
    """World and claim -> what its paper-scale rows say."""
    root = tmp_path_factory.mktemp("enorm")
    worlds = {"reported": Reported(), "otherwise": Otherwise()}
    data = {
        (name, study): data_of(root / name, study, world, "paper")
        for name, world in worlds.items()
        for study in STUDIES
    }
    return {
        (name, claim.key): judge(claim, data[name, str(claim.study)])
        for name in worlds
        for claim in CLAIMS
    }


@pytest.mark.parametrize("key", [claim.key for claim in CLAIMS])
def test_holds_where_the_report_is_right_and_fails_otherwise(key: str, verdicts: Verdicts) -> None:
    assert verdicts["reported", key].verdict == REPRODUCED
    assert verdicts["otherwise", key].verdict == CONTRADICTED


def test_the_numbers_behind_the_verdicts(verdicts: Verdicts) -> None:
    def numbers(key: str, world: str = "reported") -> list[float]:
        return [round(one.value, 4) for one in verdicts[world, key].parts.values()]

    assert numbers("enorm-above-baseline") == [1.0]
    # Seeds 1, 2 and 4 are NaN at one of ten depths, so not above the baseline there.
    assert numbers("enorm-above-baseline-all-runs") == [round((1 + 0.9 + 0.9 + 1 + 0.9) / 5, 4)]
    assert numbers("enorm-bn-above-bn") == [*[0.03] * 9, 0.02]
    assert numbers("enorm-bn-low-at-19") == [-0.014]
    assert numbers("baseline-better-with-bias") == [0.01]
    assert numbers("enorm-sometimes-nan") == [0.12]
    assert numbers("enorm-bn-best-at-19-on-average") == [0.01, 0.02, 0.06]
    assert numbers("all-above-baseline", "otherwise") == [0.0, 0.0, 0.0]
    assert numbers("enorm-faster-than-bn") == numbers("enorm-less-memory-than-bn") == [0.8]
    assert numbers("bias-nan-above-9") == [1.0, 1.0]
    assert [one.n for one in verdicts["reported", "bias-nan-above-9"].parts.values()] == [25, 25]
    assert numbers("bias-nan-in-first-epoch", "otherwise") == [0.0]


def test_nan_in_a_later_epoch_is_not_within_the_first(tmp_path: Path) -> None:
    class Later(World):
        def run(self, cell: Cell) -> Run | None:
            return (
                Run(0.1, "diverged", curve=[], columns={"outcome_epoch": 3})
                if cell["method"] == "ENorm, bias"
                else None
            )

    data = data_of(tmp_path / "r", "enorm2019/report", Later(), "paper")
    found = {claim.key: judge(claim, data) for claim in CLAIMS if claim.key.startswith("bias-nan")}
    assert found["bias-nan-in-first-epoch"].verdict == CONTRADICTED
    assert found["bias-nan-above-9"].parts["p > 9: ended in NaN"].value == 1.0
    assert found["bias-nan-above-9"].verdict == CONTRADICTED  # no net of up to 9 layers trained


def test_no_nan_at_all_leaves_occasional_open(tmp_path: Path) -> None:
    class Never(World):
        def run(self, cell: Cell) -> Run | None:
            return Run(0.5, curve=[0.5]) if cell["method"] == "ENorm" else None

    data = data_of(tmp_path / "r", "enorm2019/report", Never(), "paper")
    (claim,) = [claim for claim in CLAIMS if claim.key == "enorm-sometimes-nan"]
    assert judge(claim, data).verdict == INCONCLUSIVE


def test_thresholds_and_evidence_stay_as_fixed() -> None:
    fixed = {claim.key: str(claim.holds) for claim in CLAIMS}
    assert fixed == {
        "enorm-above-baseline": "> 0.8",
        "enorm-above-baseline-all-runs": "> 0.8",
        "enorm-bn-best": "> 0.5",
        "enorm-bn-above-bn": "> 0",
        "order": "> 0.5",
        "enorm-bn-low-at-19": "< 0",
        "enorm-bn-best-at-19-on-average": "> 0",
        "all-above-baseline": "> 0.5",
        "enorm-above-bn": "> 0.5",
        "enorm-faster-than-bn": "< 1",
        "enorm-less-memory-than-bn": "< 1",
        "bias-nan-above-9": "> 0.8",
        "bias-nan-in-first-epoch": "> 0.8",
        "baseline-better-with-bias": "> 0",
        "enorm-better-with-bias": "> 0",
        "enorm-above-baseline-with-bias": "> 0",
        "enorm-sometimes-nan": "0.01 to 0.5",
        "softmax-avoids-nan": "< 0.2",
        "softmax-does-not-learn": "< 0.15",
    }
    fewer = {"enorm-bn-best-at-19-on-average": 3}
    for claim in CLAIMS:
        assert claim.evidence == Evidence(fewer.get(claim.key, 5), epochs=60)
