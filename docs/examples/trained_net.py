"""Load a trained net, follow its states through time, and count its calls of f (NFE).

    python docs/examples/trained_net.py

About half a minute on two cores.
"""

import torch

from analysis import open_results
from odecore import data as datasets
from odecore.config import Evaluation
from odecore.config.data import Spheres
from odecore.config.evaluation import Trajectory
from odecore.config.solver import Adaptive, FixedStep
from odecore.training.evaluate import evaluate
from odecore.training.probes import trajectory
from sweeps import Scale, Study, run

STUDY = Study(
    name="trained_net",
    title="One net on concentric circles",
    question="How do its states move, and does it bear a finer solver?",
    expected="Trained with 4 Euler steps, it may lose accuracy under a finer solver (Ott 2021).",
    base={
        "data": {"name": "spheres", "dimension": 2, "train_size": 512, "test_size": 256},
        "model": {"name": "flat_node", "width": 16},
        "solver": {"name": "euler", "steps": 4},
        "train": {
            "optimizer": {"name": "adam", "lr": 1e-2},
            "batch_size": 64,
            "iterations": 150,
        },
    },
    grid={},
    seeds=(0,),
    scales={"small": Scale("150 iterations, 1 seed.")},
)

done = run(STUDY, results="results")
model = open_results("results").load_model(done.trial_ids[0])  # in eval mode, on the CPU
data = datasets.load(Spheres(dimension=2, train_size=512, test_size=256), None)

# The logits of the first test points.
with torch.no_grad():
    print(model(data.inputs(data.test_x[:3])))

# States of 5 test points after every step of a finer solver.
path = trajectory(model, data, Trajectory(points=5, solver=FixedStep(name="rk4", steps=8)))
for point in range(5):
    x1 = path["x1"][path["point"] == point]
    print(f"point {point}: x1 goes from {x1[0]:+.2f} to {x1[-1]:+.2f}")

# Accuracy and NFE under other solvers.
for solver in (
    FixedStep(name="euler", steps=4),
    FixedStep(name="rk4", steps=8),
    Adaptive(name="dopri5", tolerance=1e-4),
):
    score = evaluate(model, data, Evaluation(solver=solver))
    print(f"{solver.name}: accuracy {score.accuracy:.3f}, {score.nfe / score.batches:.0f} NFE")
