"""The grid of the reproducibility report on Equi-Normalization (2019), and its controls.

Does equi-normalization train deep fully connected nets?
"""

from collections.abc import Mapping
from typing import Any

from sweeps.studies.scales import small_images, smoke_images
from sweeps.study import Exclude, Scale, Study

DEPTHS = tuple(range(1, 20, 2))
METHODS: dict[str, dict[str, Any]] = {
    "Baseline": {"model.norm": "none", "model.enorm": None},
    "BN": {"model.norm": "batch", "model.enorm": None},
    "ENorm": {"model.norm": "none", "model.enorm": {}},
    "ENorm + BN": {"model.norm": "batch", "model.enorm": {}},
    "Baseline, bias": {"model.norm": "none", "model.enorm": None, "model.bias": True},
    "ENorm, bias": {"model.norm": "none", "model.enorm": {}, "model.bias": True},
}
RATES = (0.1, 0.05, 0.01)


def rate(method: str, depth: int) -> float:
    """Initial learning rate (ENorm 2019, Table 1), for nets with bias that of the net without."""
    match method.removesuffix(", bias"):
        case "Baseline":
            return 0.1 if depth <= 7 else 0.05
        case "BN":
            return 0.1
        case "ENorm":
            return 0.05 if depth <= 15 else 0.01
        case _:
            return 0.1 if depth <= 13 else 0.05


def _other_rate(cell: Mapping[str, Any]) -> bool:
    return cell["train.optimizer.lr"] != rate(cell["method"], cell["model.layers"])


def _other_rate_than_report(cell: Mapping[str, Any]) -> bool:
    method = "ENorm + BN" if cell["control"] == "decay as in the code" else "ENorm"
    return cell["train.optimizer.lr"] != rate(method, cell["model.layers"])


BASE = {
    "data": {"name": "cifar10", "standardize": "widespread"},
    "model": {"name": "dense"},
    "train": {
        "optimizer": {"name": "sgd", "weight_decay": 1e-3},
        "schedule": {"name": "linear"},
        "batch_size": 256,
        "epochs": 60,
    },
}
REPORT = Study(
    name="enorm2019/report",
    paper="ENorm 2019",
    title="Accuracy of dense nets of 1 to 19 layers",
    question="Is equi-normalization better than no normalization and batch norm, alone and "
    "together with it, at every depth, with and without bias?",
    expected=(
        "ENorm + BN is above ENorm, ENorm above BN, and BN above the baseline for most depths. "
        "ENorm + BN drops at 19 layers. With bias, ENorm gives NaN above 9 layers (ENorm 2019, "
        "Figures 2 and 3)."
    ),
    fidelity=(
        "Weight decay is 1e-3 as in the code (the report prints 10e-3). The learning rate goes to "
        "zero for every net. The report's code subtracts 0.1/60 per epoch for every initial value, "
        "see enorm2019/controls. Runs that end in NaN are kept as rows. The report started them "
        "again. 5 seeds; the report has two runs of baseline and ENorm without bias, one of the "
        "others. The weights start from He's uniform distribution, as in the code; the report does "
        "not say which of his two."
    ),
    base=BASE,
    grid={"method": METHODS, "model.layers": DEPTHS, "train.optimizer.lr": RATES},
    exclude=(
        Exclude(
            "the report trains each method and depth with one learning rate (ENorm 2019, Table 1)",
            when=_other_rate,
        ),
    ),
    seeds=range(5),
    scales={
        "paper": Scale("Paper scale: 60 epochs of CIFAR-10, 5 seeds."),
        "small": small_images(20, axes={"model.layers": (1, 5, 9, 13, 19)}),
        "smoke": smoke_images(
            {"model.width": 20},
            axes={"method": tuple(METHODS), "train.optimizer.lr": RATES},
            images=32,
        ),
    },
)

CONTROLS = Study(
    name="enorm2019/controls",
    paper="ENorm 2019",
    title="Controls: c = 1, last layer left out, the report's learning rate decay, softmax before "
    "the loss",
    question="Which results of the report depend on c, on balancing the last layer, or on the bug "
    "in its decay, and does softmax avoid NaN?",
    expected=(
        "With softmax there is no NaN, but gradients vanish (ENorm 2019, section 4.1). Not in the "
        "report: with c = 1, bias gradients do not blow up; the decay with the bug makes the "
        "learning rate negative in the second half for 15, 17 and 19 layers."
    ),
    fidelity=(
        "The report tried the softmax on its nets without bias and prints no numbers of it. The "
        "other controls are ours: c = 1 with bias, the last layer left out as in the original "
        "authors' code, the decay as in the report's code. 5 seeds."
    ),
    base=BASE,
    grid={
        "control": {
            "c = 1, bias": {"model.enorm": {"c": 1.0}, "model.bias": True},
            "last layer left out": {"model.enorm": {"last_layer": False}},
            "decay as in the code": {
                "model.enorm": {},
                "model.norm": "batch",
                "train.schedule.start": 0.1,
            },
            "softmax": {"model.enorm": {}, "model.output": "softmax"},
        },
        "model.layers": (5, 9, 11, 15, 19),
        "train.optimizer.lr": RATES[1:],
    },
    exclude=(
        Exclude(
            "a control has the learning rate of the net of the report from which it differs in one "
            "thing",
            when=_other_rate_than_report,
        ),
        Exclude(
            "the code's decay differs only for the depths that start at 0.05",
            where={"control": "decay as in the code", "model.layers": (5, 9, 11)},
        ),
    ),
    seeds=range(5),
    scales={
        "paper": Scale("Paper scale: 60 epochs of CIFAR-10, 5 seeds."),
        "small": small_images(20, axes={"model.layers": (5, 15)}),
        "smoke": smoke_images(
            {"model.width": 20},
            axes={
                "control": (
                    "c = 1, bias",
                    "last layer left out",
                    "decay as in the code",
                    "softmax",
                ),
                "model.layers": (5, 19),
            },
            images=32,
        ),
    },
)

STUDIES = (REPORT, CONTROLS)
