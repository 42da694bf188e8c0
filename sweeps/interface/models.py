"""`sweeps.load_model`: a trained net from a results folder."""

import json
from typing import TYPE_CHECKING

from sweeps.errors import UserError
from sweeps.interface.arguments import PathLikeOrNone, folder_of

if TYPE_CHECKING:
    from torch import nn


def load_model(trial: str, results: PathLikeOrNone = None) -> "nn.Module":
    """The trained net of a trial: its weights in the odecore model, on the CPU, in eval mode.

    The file of weights holds tensors alone, and its sha256 is compared with the row's, so nothing
    in it is executed. trial: its id, or at least the first 4 digits of it. results: the folder;
    None for ODESWEEP_RESULTS or `results`. Raises UserError if there is no such trial, if it did
    not complete, if its weights were not kept or are gone, and without torch.
    """
    from sweeps.cli.installed import check_installed
    from sweeps.inspection.status import Watch
    from sweeps.spec import parse
    from sweeps.store import read_table

    check_installed()
    watch = Watch(folder_of(results))
    trial_id = watch.named_trial(trial)
    accepted = watch.view.accepted.get(trial_id)
    if accepted is None or accepted.weights_sha256 is None:
        outcome = accepted.outcome if accepted else "no accepted row"
        raise UserError(f"trial {trial_id[:12]} has no trained weights: {outcome}")
    if accepted.weights_kept is False:
        raise UserError(
            f"the weights of trial {trial_id[:12]} were not kept; to train it again and keep them: "
            f"`odesweep retry {trial_id[:12]} --without-weights`, then `odesweep run STUDY "
            "--keep-weights all`"
        )
    from odecore.models import build_model
    from sweeps.worker.weights import WeightsMissing, load

    rows = read_table(watch.results, "runs", ["attempt_id", "spec"], ids=[trial_id]).to_pylist()
    spec = next(row["spec"] for row in rows if row["attempt_id"] == accepted.attempt_id)
    model = build_model(parse(json.loads(spec)))
    try:
        load(watch.results.path, trial_id, accepted.weights_sha256, model)
    except WeightsMissing as error:
        raise UserError(str(error)) from None
    return model.eval()
