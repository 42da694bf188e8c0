"""Published final accuracies for the ends of curves, from the tables that print them.

Also printed sizes as numbers.
"""

from analysis import published

NORMS = {"none": "none", "batch": "batch", "mini_batch": "mini_batch", "ta_bn, large": "ta_bn"}


def by_data() -> dict[tuple[str, str], float]:
    """(data, norm) -> accuracy of the U-Net of 18 layers (Table 1). On MNIST the paper has none."""
    rows = published.values("zheng2024", "table1").dropna(subset=["value"]).to_dict("records")
    return {
        (row["data"], NORMS[row["model"]]): row["value"]
        for row in rows
        if row["model"] in NORMS and row["data"] != "MNIST"
    }


def cifar10() -> dict[tuple[str, str], float]:
    """(norm, backbone) -> accuracy on CIFAR-10 under dopri5.

    18 layers and TA-BN with 4 (Table 1), 8 layers (Table 4).
    """
    large = {
        (norm, "unet18"): value for (data, norm), value in by_data().items() if data == "CIFAR-10"
    }
    rows = published.values("zheng2024", "table1").to_dict("records")
    small = next(
        row["value"] for row in rows if (row["model"], row["data"]) == ("ta_bn, small", "CIFAR-10")
    )
    eight = published.values("zheng2024", "table4").to_dict("records")
    return (
        large
        | {("ta_bn", "cnn4"): small}
        | {(row["norm"], "cnn8"): row["value"] for row in eight if row["solver"] == "dopri5"}
    )


def size(printed: str) -> float:
    """A number of parameters as the paper prints it, such as "37k" or "2.2M".

    NaN for other texts.
    """
    units = {"k": 1e3, "M": 1e6}
    return float(printed[:-1]) * units[printed[-1]] if printed[-1:] in units else float("nan")
