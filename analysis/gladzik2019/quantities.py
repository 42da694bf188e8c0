"""Gladzik 2019, tables of experiments D1 to D7: seconds, calls of f, parameters and accuracy."""

import pandas as pd

from analysis import published
from analysis.drawing.figure import Table
from analysis.gladzik2019 import nets
from analysis.gladzik2019.nets import D1, D2, D3, D4, D5, D6, D7, D7_ADAM, Name, planned
from analysis.rows.cells import alone, cells, planned_rows
from analysis.rows.data import KEY, Data
from analysis.rows.frames import in_order

NEEDS = ("runs", "probe_series")
# Name of a quantity -> its words in the table, and decimals.
QUANTITIES = {
    "training": ("training [s per epoch]", 1),
    "validation": ("validation [s per epoch]", 1),
    "epoch": ("epoch [s]", 1),
    "ratio": ("epoch, ratio to {}", 2),
    "hidden_layers": ("hidden layers: evaluations per ODE block", 1),
    "parameters": ("parameters", 0),
    "size": ("size of the model [MB]", 3),
    "memory": ("peak memory [GB]", 2),
    "accuracy_train_images": ("accuracy on training images", 4),
    "accuracy_test": ("test accuracy", 4),
}
# Single precision.
BYTES_PER_PARAMETER = 4
_COLUMNS = (
    *("train_seconds", "train_epochs", "nfe_forward", "outcome_iteration", "n_blocks"),
    *("parameters", "peak_memory_bytes", "accuracy_test", "device", "timing_valid"),
)
TEXT = (
    "Gladzik 2019, {what}. Compare ratios, not seconds: the thesis ran on four CPU cores. Seconds "
    "are of runs that had their device to themselves and were not resumed. Validation, as in the "
    "thesis: of the training images under the test transform. Hidden layers: NFE of a forward "
    "pass, mean over the training. Published ratios are computed from the published seconds. "
    "Accuracy on the training images is called validation in the thesis, which prints no table of "
    "it. {sources}"
)


def on_training_images(data: Data) -> pd.DataFrame:
    """Numbers of each run on the training images.

    Columns: study, trial_id, accuracy_train_images at its end, and the validation_seconds of all
    its epochs.
    """
    accuracy = (
        data.series("accuracy.train_images")
        .sort_values("iteration")
        .drop_duplicates(KEY, keep="last")
        .set_index(KEY)["value"]
    )
    seconds = data.series("evaluate_seconds.train_images").groupby(KEY)["value"].sum()
    return pd.DataFrame(
        {"accuracy_train_images": accuracy, "validation_seconds": seconds}
    ).reset_index()


def per_run(data: Data, name: Name, reference: str) -> pd.DataFrame:
    """One row per planned trial with a name.

    Columns: study, seed, axis.*, net, outcome and QUANTITIES, NaN if a number has no meaning.
    Seconds: NaN unless timing_valid. ratio: of the epoch's seconds to those of the net `reference`
    with the same seed. hidden_layers: NaN for residual nets. memory: of the device's allocator. On
    a CPU it would be that of the whole process, including earlier trials, and is left out.
    """
    rows = planned_rows(data, "runs", *_COLUMNS).merge(
        planned(data, name).filter([*KEY, "net"]), on=KEY
    )
    rows = rows.merge(on_training_images(data), on=KEY, how="left")
    on_device = [
        isinstance(device, str) and not device.startswith("cpu")
        for device in rows["device"].astype(object)
    ]
    number = rows.filter(
        [
            *(column for column in _COLUMNS if column not in ("device", "timing_valid")),
            "validation_seconds",
        ]
    ).astype(float)
    phases = {"training": number["train_seconds"], "validation": number["validation_seconds"]}
    seconds = {
        phase: (spent / number["train_epochs"]).where(alone(rows))
        for phase, spent in phases.items()
    }
    epoch = seconds["training"] + seconds["validation"]
    base = (
        rows.filter(["seed", "net"])
        .assign(base=epoch)
        .loc[lambda one: one["net"] == reference]
        .filter(["seed", "base"])
    )
    layers = (
        number["nfe_forward"]
        / number["outcome_iteration"]
        / number["n_blocks"].where(number["n_blocks"] > 0)
    )
    rows = rows.drop(
        columns=[column for column in (*_COLUMNS, "validation_seconds") if column not in QUANTITIES]
    )
    rows = rows.assign(
        **seconds,
        epoch=epoch,
        hidden_layers=layers,
        size=number["parameters"] * BYTES_PER_PARAMETER / 1e6,
        memory=(number["peak_memory_bytes"] / 1e9).where(on_device),
    )
    with_base = rows.merge(base, on="seed", how="left")
    return with_base.assign(ratio=with_base["epoch"] / with_base["base"]).drop(columns="base")


def table(data: Data, name: Name, reference: str, experiment: str) -> pd.DataFrame:
    """Per quantity and net: planned, failed, missing, n, mean, low, high, minimum, maximum.

    With the values that table `experiment` prints.
    """
    rows = per_run(data, name, reference)
    parts = (
        [cells(rows, ["net"], quantity).assign(quantity=quantity) for quantity in QUANTITIES]
        if len(rows)
        else []
    )
    if not any(part["n"].sum() + part["failed"].sum() for part in parts):
        return pd.DataFrame(columns=["quantity", "net"])
    numbers = published.compare(
        pd.concat(parts, ignore_index=True),
        printed(experiment, reference),
        {"quantity": "quantity", "net": "net"},
    )
    order = [(quantity, net) for quantity in QUANTITIES for net in dict.fromkeys(numbers["net"])]
    numbers = in_order(numbers, ["quantity", "net"], order).assign(reference=reference)
    # Left out: a quantity that no net has and nobody printed, such as memory on a CPU or seconds of
    # runs that shared their machine. The size only repeats the parameters where it is not printed.
    ours = (numbers["n"] > 0) & (numbers["quantity"] != "size")
    told = set(numbers.loc[ours | numbers["published"].notna(), "quantity"]) | {"accuracy_test"}
    trivial = (numbers["quantity"] == "ratio") & (numbers["net"] == reference)
    return numbers.loc[numbers["quantity"].isin(list(told)) & ~trivial].reset_index(drop=True)


def printed(experiment: str, reference: str) -> pd.DataFrame:
    """The published values of a table, with the ratios of its seconds to those of `reference`."""
    known = published.values("gladzik2019", experiment)
    epochs = known.loc[known["quantity"] == "epoch"]
    base = epochs.loc[epochs["net"] == reference, "value"]
    if not len(base):
        return known
    ratios = epochs.assign(quantity="ratio", value=epochs["value"] / float(base.iloc[0]))
    return pd.concat([known, ratios], ignore_index=True)


def readable(numbers: pd.DataFrame) -> pd.DataFrame:
    """The rows as strings, for Markdown and the terminal."""
    reference = str(numbers["reference"].iloc[0])
    parts = []
    for quantity, rows in numbers.groupby("quantity", sort=False):
        words, decimals = QUANTITIES[str(quantity)]
        parts.append(
            published.readable(
                rows,
                {"quantity": "quantity", "net": "net"},
                decimals,
                {str(quantity): words.format(reference)},
            )
        )
    return pd.concat(parts, ignore_index=True)


def _table(
    name: str, study: str | tuple[str, ...], naming: Name, reference: str, what: str, *axes: str
) -> Table:
    return Table(
        name=f"gladzik2019/{name}",
        study=study,
        needs=NEEDS,
        axes=axes,
        numbers=lambda data: table(data, naming, reference, name),
        text=TEXT.format(what=f"{name.upper()}: {what}", sources="{sources}"),
        readable=readable,
    )


TABLES = (
    _table("d1", D1, nets.by_gradient, nets.DIRECT, "MNIST", "gradient"),
    _table("d2", D2, nets.by_gradient, nets.DIRECT, "QMNIST", "gradient"),
    _table("d3", D3, nets.by_net, nets.DIRECT, "Fashion-MNIST", "net"),
    _table(
        "d4",
        (D3, D4),
        nets.by_blocks,
        "1 block, without adjoint",
        "Fashion-MNIST, one and two ODE blocks",
    ),
    _table("d5", D5, nets.by_net, nets.DIRECT, "CIFAR-10", "net"),
    _table(
        "d6",
        D6,
        nets.by_tolerance,
        "tolerance 1e-04",
        "CIFAR-10, tighter tolerances (the thesis does not say which gradient; the adjoint here)",
        "solver.tolerance",
    ),
    _table(
        "d7",
        (D7, D7_ADAM),
        nets.by_optimizer,
        "ODENet without adjoint, SGD",
        "CIFAR-100 (Adam 1e-3 is ours, with a learning rate that trains)",
    ),
)
