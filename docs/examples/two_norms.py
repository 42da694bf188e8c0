"""Compare two norms: the difference of their accuracies, with an interval over paired seeds.

    python docs/examples/two_norms.py

About one minute on two cores. The images are generated, so that nothing is downloaded: the numbers
mean nothing, the way to them does.
"""

from analysis import open_results
from analysis.rows.stats import paired_difference
from sweeps import Scale, Study, run

STUDY = Study(
    name="two_norms",
    title="Batch norm against no norm inside the ODE",
    question="Does batch normalization inside the ODE help?",
    expected="Open.",
    base={
        "data": {"name": "mnist", "source": "generated", "train_limit": 128, "test_limit": 128},
        "model": {"name": "stacked_odenet", "layers": 4, "width": 4},
        "solver": {"name": "euler", "steps": 2},
        "train": {
            "optimizer": {"name": "sgd", "lr": 0.05, "momentum": 0.9},
            "batch_size": 32,
            "iterations": 20,
        },
    },
    grid={
        "norm": {
            "none": {"model.ode_norm": {"name": "none"}},
            "batch": {"model.ode_norm": {"name": "batch"}},
        }
    },
    seeds=range(4),
    scales={"small": Scale("20 iterations on generated images, 4 seeds; not a result.")},
)

run(STUDY, results="results")
runs = open_results("results").runs("two_norms")

# One column per norm, one row per seed. A seed that failed with one norm is left out of the pairs.
done = runs[runs["outcome"] == "completed"]
pairs = done.pivot(index="seed", columns="axis.norm", values="accuracy_test").dropna()
mean, low, high = paired_difference(pairs["batch"], pairs["none"])
print(f"batch - none: {mean:+.3f}, 95 % interval {low:+.3f} to {high:+.3f}, n = {len(pairs)} pairs")
