"""The grids of Gladzik (2019), engineering thesis, experiments D1 to D8.

Are neural ODEs a match for residual nets?
"""

from typing import Any

from sweeps.studies.scales import small_images, smoke_images
from sweeps.study import ProbeGrid, Scale, Study

BACKPROP, ADJOINT = {"gradient.name": "backprop"}, {"gradient.name": "adjoint"}
GRADIENTS = {"without adjoint": BACKPROP, "adjoint": ADJOINT}
SGD: dict[str, Any] = {"name": "sgd", "lr": 0.1, "momentum": 0.9}
# The thesis plots the accuracy on the training images under the test transform. Every row also has
# the real test accuracy.
ON_TRAINING_IMAGES = {"label": "train_images", "split": "train"}
ACCURACY_ON_TRAINING_IMAGES = (ProbeGrid("figures", "series"),)
FIDELITY = (
    "Accuracy is recorded on the training images, as in the thesis, and on the test set. rtol = "
    "atol. The thesis does not print the channel means and deviations. Only ratios of seconds are "
    "comparable."
)


def drops(epochs: int) -> list[int]:
    """Divide the learning rate by 10 after every 0.3 of the epochs (section 4.3.1)."""
    return [round(share * epochs / 10) for share in (3, 6, 9)]


def base(
    data: str,
    epochs: int,
    optimizer: dict[str, Any] | None = None,
    tolerance: float = 1e-3,
    constant: bool = False,
) -> dict[str, Any]:
    """ODENet with one block (Gladzik 2019, sections 4.1, 4.3 and 4.4)."""
    return {
        "data": {"name": data, "standardize": "channel", "augment": "resize32_crop28"},
        "model": {"name": "groupnorm_odenet"},
        "solver": {"name": "dopri5", "tolerance": tolerance},
        "train": {
            "optimizer": optimizer or SGD,
            "schedule": None if constant else {"name": "steps", "drops": drops(epochs)},
            "batch_size": 128,
            "epochs": epochs,
            "also_test": [ON_TRAINING_IMAGES],
        },
    }


def resnet(blocks: int) -> dict[str, Any]:
    """ResNet2, 4 or 8."""
    return {"model.kind": "residual", "model.blocks": blocks, "solver": None}


def smoke(overrides: dict[str, Any], axes: dict[str, Any] | None = None) -> Scale:
    """Smoke scale that keeps the accuracy on the training images."""
    return smoke_images(overrides, axes=axes, probes=ACCURACY_ON_TRAINING_IMAGES)


def scales(epochs: int, data: str = "", schedule: bool = True) -> dict[str, Scale]:
    """The scales paper, small and smoke of one experiment."""
    few: dict[str, Any] = {"train.schedule.drops": drops(10)} if schedule else {}
    made_up: dict[str, Any] = {"data.source": "generated"} if data in ("qmnist", "cifar100") else {}
    return {
        "paper": Scale(f"Paper scale: {epochs} epochs, 6 seeds (the thesis: one)."),
        "small": small_images(10, few, train_images=3_000, test_images=1_000),
        "smoke": smoke({**made_up, **({"train.schedule.drops": [1]} if schedule else {})}),
    }


def _study(
    name: str,
    title: str,
    question: str,
    expected: str,
    grid: dict[str, Any],
    based: dict[str, Any],
    **rest: Any,
) -> Study:
    return Study(
        name=f"gladzik2019/{name}",
        paper="Gladzik 2019",
        title=title,
        question=question,
        expected=expected,
        fidelity=rest.pop("fidelity", FIDELITY),
        base=based,
        grid=grid,
        seeds=range(6),
        probes=ACCURACY_ON_TRAINING_IMAGES,
        **rest,
    )


D1 = _study(
    "d1",
    "MNIST: gradients through the solver or by the adjoint",
    "Do both gradients reach the same accuracy, and what does the adjoint cost?",
    "About 99 % on the training images for both; the adjoint takes 24 % more time per epoch "
    "(Gladzik 2019, section 5.3.1).",
    {"gradient": GRADIENTS},
    base("mnist", 30),
    scales=scales(30),
)
D2 = _study(
    "d2",
    "QMNIST: gradients through the solver or by the adjoint",
    "Is the result the same on QMNIST?",
    "About 99.5 % on the training images for both; the adjoint takes 31 % more time per epoch "
    "(Gladzik 2019, section 5.3.2).",
    {"gradient": GRADIENTS},
    base("qmnist", 60),
    scales=scales(60, "qmnist"),
)
NETS = {
    "ODENet without adjoint": BACKPROP,
    "ODENet adjoint": ADJOINT,
    "ResNet2": resnet(2),
    "ResNet4": resnet(4),
    "ResNet8": resnet(8),
}
D3 = _study(
    "d3",
    "Fashion-MNIST: ODENet against ResNet2, 4 and 8",
    "Which net is most accurate, and how much slower is the ODENet?",
    "All are above 90 %. ResNet2 is best. The run time of ODENets is substantially longer (Gladzik "
    "2019, section 5.3.3).",
    {"net": NETS},
    base("fashion_mnist", 50),
    scales={**scales(50), "smoke": smoke({"train.schedule.drops": [1]}, axes={"net": tuple(NETS)})},
)
D4 = _study(
    "d4",
    "Fashion-MNIST: two ODE blocks",
    "Does a second ODE block help?",
    "Little gain and a lower NFE per block (20). The net without adjoint is slower (Gladzik 2019, "
    "section 5.3.3).",
    {"gradient": GRADIENTS},
    {**base("fashion_mnist", 50), "model.blocks": 2},
    scales=scales(50),
)
CIFAR_NETS = {
    name: NETS[name] for name in ("ODENet without adjoint", "ODENet adjoint", "ResNet4", "ResNet8")
}
D5 = _study(
    "d5",
    "CIFAR-10: ODENet against ResNet4 and 8",
    "Is the ODENet a match for the residual nets on harder images?",
    "Residual nets are clearly better. ODENets converge to a limit (Gladzik 2019, section 5.3.4).",
    {"net": CIFAR_NETS},
    base("cifar10", 100),
    scales={
        **scales(100),
        "smoke": smoke({"train.schedule.drops": [1]}, axes={"net": tuple(CIFAR_NETS)}),
    },
)
D6 = _study(
    "d6",
    "CIFAR-10: tighter tolerances",
    "Does a smaller tolerance make the ODENet more accurate?",
    "An NFE of 34 and 52 instead of 26; the thesis draws no conclusion about accuracy (Gladzik "
    "2019, section 5.3.4).",
    {"solver.tolerance": (1e-4, 1e-5)},
    {
        **base("cifar10", 25, {"name": "adam", "lr": 1e-3}, constant=True),
        "gradient": {"name": "adjoint"},
    },
    scales=scales(25, schedule=False),
    fidelity=f"{FIDELITY} The thesis does not say which gradient it uses; the adjoint here.",
)
ADAM = {"train.optimizer": {"name": "adam", "lr": 0.1}}
D7_NETS = {
    "ResNet4": resnet(4),
    "ResNet8": resnet(8),
    "ODENet without adjoint, SGD": BACKPROP,
    "ODENet adjoint, SGD": ADJOINT,
    "ODENet without adjoint, Adam": {**BACKPROP, **ADAM},
    "ODENet adjoint, Adam": {**ADJOINT, **ADAM},
}
D7 = _study(
    "d7",
    "CIFAR-100: ODENet with SGD and Adam against ResNet4 and 8",
    "Is the ODENet a match on 100 classes, and does Adam help?",
    "Residual nets are clearly better (Gladzik 2019, section 5.3.5). Adam at learning rate 0.1, as "
    "printed, probably diverges.",
    {"net": D7_NETS},
    base("cifar100", 100),
    scales={
        **scales(100, "cifar100"),
        "smoke": smoke(
            {"data.source": "generated", "train.schedule.drops": [1]}, axes={"net": tuple(D7_NETS)}
        ),
    },
)
D7_ADAM = _study(
    "d7-adam",
    "CIFAR-100: Adam at a learning rate that trains",
    "Would Adam have helped with learning rate 1e-3 instead of 1e-1?",
    "Unknown; the thesis prints 1e-1, with which Adam probably diverges.",
    {"gradient": GRADIENTS},
    base("cifar100", 100, {"name": "adam", "lr": 1e-3}),
    scales=scales(100, "cifar100"),
)
D8 = _study(
    "d8",
    "CIFAR-100: two additional ODENets for 200 epochs",
    "Does longer training help?",
    "No; the ODENets converge to a limit (Gladzik 2019, section 5.3.5).",
    {"gradient": GRADIENTS},
    base("cifar100", 200, {"name": "adam", "lr": 0.1}),
    scales=scales(200, "cifar100"),
    fidelity=f"{FIDELITY} The thesis does not say which two nets; Adam with and without adjoint "
    "here. The learning rate drops at 60, 120 and 180, after every 0.3 of the epochs (section "
    "4.3.1); the settings of CIFAR-100 say every 30 epochs, which the thesis sets for 100 epochs.",
)
CROSSING = Study(
    name="gladzik2019/crossing",
    paper="Gladzik 2019",
    title="What a neural ODE cannot do: exchange two points on a line",
    question="Do the paths of z' = -2z from -1 and 1 cross, with one Euler step and with many?",
    expected="One Euler step exchanges the points, so the paths cross. With many steps they meet "
    "only at infinity (Gladzik 2019, Figure 5.10).",
    fidelity="Top panels: a field with the same property, which nothing trained. The bottom "
    "panels, vector fields of nets trained on the identity and on the exchange, are left out. The "
    "thesis copies the figure from Dupont et al. 2019.",
    base={
        "data": {"name": "line"},
        "model": {"name": "crossing"},
        "solver.name": "euler",
        "train": {"iterations": 0},
    },
    grid={"solver.steps": (1, 2, 64)},
    probes=(ProbeGrid("figure5.10", "trajectory", settings={"points": 2}),),
    scales={name: Scale("Nothing is trained: two points.") for name in ("paper", "small", "smoke")},
)

STUDIES = (D1, D2, D3, D4, D5, D6, D7, D7_ADAM, D8, CROSSING)
