"""How TA-BN's running statistics follow those of the batch: two printed and three released forms.

Shapes: C channels, M + 1 grid points. mean, variance: of the batch, (C,). running_mean and
running_var: (M + 1, C). weights: of the norm's own interpolation at t.
"""

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from odecore.config import norm as norm_config
from odecore.norms.interpolation import Weights, grid, kriging, linear, mirrored, through

# Released forms (Zheng 2024, code). The kernel's momentum grows with the epochs up to a limit.
KERNEL_GROWTH, KERNEL_LIMIT = 1.01, 2.0
DESCENT_RATE, DESCENT_STEPS, DESCENT_CLIP = 1e-3, 4, 0.1
REFIT_EVERY, REFIT_MOMENTUM = 100, 0.1


class Statistics(nn.Module):
    """One rule. end: the grid's last time. epoch: of the training, set by its loop."""

    def __init__(
        self, config: norm_config.TemporalBatch, shape: tuple[int, int], end: float
    ) -> None:
        super().__init__()
        self.intervals, self.end = shape[0] - 1, end
        self.momentum = config.momentum
        self.epoch = 0

    def update(
        self,
        t: float,
        weights: Weights,
        batch: tuple[Tensor, Tensor],
        running: tuple[Tensor, Tensor],
    ) -> None:
        """Move `running` (mean, variance) in place after the evaluation at t with `batch`."""
        raise NotImplementedError


class Neighbours(Statistics):
    """r_m <- r_m + eta w_m (r - r_m) for the two neighbours of t, linear w_m (Zheng 2024, Alg. 1).

    mirrored: with the mirrored weights. skip_first_visit: a point that no evaluation came near
    before stays as it is and is only marked.
    """

    def __init__(
        self, config: norm_config.TemporalBatch, shape: tuple[int, int], end: float
    ) -> None:
        super().__init__(config, shape, end)
        self.weights = mirrored if config.mirrored else linear
        self.visited: Tensor | None
        self.register_buffer("visited", torch.zeros(shape[0]) if config.skip_first_visit else None)

    def update(
        self,
        t: float,
        weights: Weights,  # noqa: ARG002 - whatever the interpolation, neighbours have linear ones
        batch: tuple[Tensor, Tensor],
        running: tuple[Tensor, Tensor],
    ) -> None:
        """See the class."""
        first, values = self.weights(t, self.intervals, self.end)
        for index, weight in enumerate(values, start=first):
            eta: float | Tensor = self.momentum * weight
            if self.visited is not None:
                # A product, not a branch: the device is not waited for.
                eta = eta * self.visited[index].to(running[0].dtype)
            for statistic, value in zip(running, batch, strict=True):
                statistic[index].lerp_(value, eta)
            if self.visited is not None:
                self.visited[index] = 1


class Exact(Statistics):
    """r_m <- r_m + eta (G(t_m) - r_m) once per solve, G linear through the times of that solve.

    The paper describes it and takes Algorithm 1 instead, which is faster (Zheng 2024). So every
    grid point follows, also where no evaluation comes near. A solve begins at t = 0; within it,
    G goes through the evaluations so far. eta is our choice: the paper's rule does not name one.
    """

    def __init__(
        self, config: norm_config.TemporalBatch, shape: tuple[int, int], end: float
    ) -> None:
        super().__init__(config, shape, end)
        # Of the solve that is running; the running statistics before it.
        self._times: tuple[float, ...] = ()
        self._observed: list[tuple[Tensor, Tensor]] = []
        self._before: list[Tensor] = []

    def update(
        self,
        t: float,
        weights: Weights,  # noqa: ARG002 - of the grid; here the observed times have weights
        batch: tuple[Tensor, Tensor],
        running: tuple[Tensor, Tensor],
    ) -> None:
        """See the class."""
        if t <= 0 or not self._times:
            self._times, self._observed = (), []
            self._before = [statistic.clone() for statistic in running]
        self._times = *self._times, min(max(t, 0.0), self.end)
        self._observed.append(batch)
        matrix = torch.from_numpy(through(self._times, self.intervals, self.end))
        matrix = matrix.to(running[0], non_blocking=True)
        observed = zip(*self._observed, strict=True)
        for statistic, before, values in zip(running, self._before, observed, strict=True):
            # Not a matrix product, which autocast would do in half precision.
            fitted = (matrix.unsqueeze(2) * torch.stack(values)).sum(1)
            statistic.copy_(before.lerp(fitted.to(before), self.momentum))


class Kernel(Statistics):
    """r_m <- r_m + min(1, w_m min(1.01^epoch, 2)) (r - r_m) for all points, kernel weights w_m.

    For t inside the grid only (Zheng 2024, code).
    """

    def update(
        self,
        t: float,
        weights: Weights,
        batch: tuple[Tensor, Tensor],
        running: tuple[Tensor, Tensor],
    ) -> None:
        """See the class."""
        if not 0 <= t <= self.end:
            return
        growth = min(KERNEL_GROWTH**self.epoch, KERNEL_LIMIT)
        for statistic, value in zip(running, batch, strict=True):
            statistic.lerp_(value, _column(weights, statistic, growth).clamp_max_(1))


class Descent(Statistics):
    """The grid's values are parameters of a spline that AdamW fits to the values of the batch.

    Zheng 2024, code: four steps per call with rate 1e-3, gradient norm at most 0.1. We assume that
    the loss is the squared error at t, its mean over channels, summed over both statistics, and
    that AdamW's other numbers are torch's defaults.
    """

    def __init__(
        self, config: norm_config.TemporalBatch, shape: tuple[int, int], end: float
    ) -> None:
        super().__init__(config, shape, end)
        self.first_moments: Tensor
        self.second_moments: Tensor
        self.steps: Tensor
        self.register_buffer("first_moments", torch.zeros(2, *shape))
        self.register_buffer("second_moments", torch.zeros(2, *shape))
        self.register_buffer("steps", torch.zeros(()))

    def update(
        self,
        t: float,  # noqa: ARG002 - it is in the weights
        weights: Weights,
        batch: tuple[Tensor, Tensor],
        running: tuple[Tensor, Tensor],
    ) -> None:
        """See the class."""
        column = _column(weights, running[0])
        for _ in range(DESCENT_STEPS):
            errors = [
                (column * statistic).sum(0) - value
                for statistic, value in zip(running, batch, strict=True)
            ]
            gradients = [2 * column * error / len(error) for error in errors]
            norm = torch.linalg.vector_norm(torch.stack(gradients))
            scale = (DESCENT_CLIP / (norm + 1e-6)).clamp_max(1)
            adamw(
                list(running),
                [gradient * scale for gradient in gradients],
                list(self.first_moments),
                list(self.second_moments),
                [],
                [self.steps.clone(), self.steps.clone()],
                foreach=False,
                amsgrad=False,
                beta1=0.9,
                beta2=0.999,
                lr=DESCENT_RATE,
                weight_decay=0.01,
                eps=1e-8,
                maximize=False,
            )
            self.steps += 1


class Refit(Statistics):
    """Every 100 evaluations a Gaussian process through them gives new values at the grid's points.

    r <- r + max(0.1, 1 / refits) (fitted - r) (Zheng 2024, code). The process is the norm's own,
    without a search for its length scale and noise. The code keeps r and reads the newest fit.
    """

    def __init__(
        self, config: norm_config.TemporalBatch, shape: tuple[int, int], end: float
    ) -> None:
        super().__init__(config, shape, end)
        self.times: Tensor
        self.observed: Tensor
        self.counts: Tensor
        # Evaluations since the last refit, and refits.
        self.register_buffer("times", torch.zeros(REFIT_EVERY, dtype=torch.float64))
        self.register_buffer("observed", torch.zeros(REFIT_EVERY, 2, shape[1]))
        self.register_buffer("counts", torch.zeros(2, dtype=torch.int64))

    def update(
        self,
        t: float,
        weights: Weights,  # noqa: ARG002 - of the grid; here the observed times have weights
        batch: tuple[Tensor, Tensor],
        running: tuple[Tensor, Tensor],
    ) -> None:
        """See the class."""
        seen, refits = self.counts.tolist()
        self.times[seen] = min(max(t, 0.0), self.end)
        self.observed[seen] = torch.stack(batch)
        seen += 1
        if seen == REFIT_EVERY:
            seen, refits = 0, refits + 1
            fitted = kriging(self.times.cpu().double().numpy(), grid(self.intervals, self.end))
            matrix = torch.from_numpy(fitted).to(self.observed)
            for number, statistic in enumerate(running):
                statistic.lerp_(matrix @ self.observed[:, number], max(REFIT_MOMENTUM, 1 / refits))
        self.counts.copy_(torch.tensor([seen, refits]))


def _column(weights: Weights, like: Tensor, factor: float = 1.0) -> Tensor:
    """Weights of all grid points times a factor, (M + 1, 1)."""
    values = [factor * value for value in weights.values]
    return torch.tensor(values, dtype=like.dtype).to(like.device, non_blocking=True).unsqueeze(1)


STATISTICS: dict[str, type[Statistics]] = {
    "neighbours": Neighbours,
    "exact": Exact,
    "kernel": Kernel,
    "descent": Descent,
    "refit": Refit,
}
