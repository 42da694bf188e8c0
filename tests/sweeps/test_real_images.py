"""One cell of each paper, trained on a few real images through the command line, learns.

Its accuracy is three times chance or more.
"""

import os
from pathlib import Path

import pytest
from command import runs, start

DATA = os.environ.get("ODESWEEP_DATA")
CHANCE = 0.1
# Study and overrides that make one cell of it short; the recipe stays the paper's but for the
# learning rate of so small batches.
CELLS = {
    "Gusak 2020": (
        *(
            "gusak2020/figure1",
            "model.stem_norm=batch",
            "model.ode_norm=layer",
            "solver.steps=2",
            "data.train_limit=5000",
            "data.test_limit=500",
        ),
        *("train.epochs=9", "train.batch_size=32", "train.optimizer.lr=0.05"),
    ),
    "Zheng 2024": (
        *(
            "zheng2024/main",
            "data=MNIST",
            "model.norm=ta_bn",
            "model.backbone=cnn4",
            "data.train_limit=500",
            "data.test_limit=500",
        ),
        *("train.epochs=2", "train.batch_size=50"),
    ),
    "Ott 2021": (
        "ott2021/mnist-fixed",
        "solver.name=euler",
        "solver.steps=2",
        "train.iterations=60",
        "train.batch_size=64",
    ),
    "Gladzik 2019": (
        *(
            "gladzik2019/d1",
            "gradient=without adjoint",
            "data.train_limit=1000",
            "data.test_limit=500",
            "train.batch_size=32",
        ),
        *("train.epochs=4", "train.schedule.drops=[3]"),
    ),
    "ENorm 2019": (
        "enorm2019/report",
        "method=ENorm",
        "model.layers=1",
        "data.train_limit=2000",
        "train.epochs=9",
    ),
}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not DATA, reason="needs MNIST and CIFAR-10: set ODESWEEP_DATA")
@pytest.mark.parametrize("paper", CELLS)
def test_a_cell_of_each_paper_learns(paper: str, tmp_path: Path) -> None:
    study, *overrides = CELLS[paper]
    command = start(
        "run",
        study,
        "--scale",
        "small",
        "seed=0",
        *overrides,
        results=tmp_path / "r",
        ODESWEEP_DATA=str(DATA),
    )
    out, err = command.communicate(timeout=800)
    assert command.returncode == 0, out + err
    [row] = runs(tmp_path / "r")
    assert row["outcome"] == "completed"
    assert row["accuracy_test_best"] >= 3 * CHANCE
