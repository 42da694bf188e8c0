"""Sweep a learning rate of your own, and draw accuracy over it.

    python docs/examples/learning_rate.py

About one minute on two cores. A second call trains nothing.
"""

from analysis import open_results
from sweeps import Scale, Study, run

STUDY = Study(
    name="learning_rate",
    title="Learning rate of Adam on concentric circles",
    question="Which learning rate suits a small neural ODE?",
    expected="Neither the smallest nor the largest.",
    base={
        "data": {"name": "spheres", "dimension": 2, "train_size": 512, "test_size": 512},
        "model": {"name": "flat_node", "width": 16},
        "solver": {"name": "euler", "steps": 4},
        "train": {
            "optimizer": {"name": "adam", "lr": 1e-2},
            "batch_size": 64,
            "iterations": 150,
        },
    },
    grid={"train.optimizer.lr": (1e-3, 1e-2, 1e-1)},
    seeds=(0, 1, 2),
    scales={"small": Scale("150 iterations, 3 seeds.")},
)

done = run(STUDY, results="results")
print(done.outcomes())  # such as {'completed': 9}

results = open_results("results")
picture = results.plot("learning_rate", x="lr", y="accuracy_test")
print(picture.caption)
print(picture.numbers)
for path in picture.save("figures"):
    print(path)
