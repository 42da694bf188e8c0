"""Trainings of one shape as one batched step, each with its own outcome.

A small net costs more in calls than in arithmetic. E nets side by side make the calls of one.

Shapes: E members, B samples in the batch of each, d entries of a sample, K classes. A member's part
of a tensor is the entry of its number along the first axis.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from odecore.config.stacks import stack_key
from odecore.models.flat_node import FlatNode
from odecore.solvers.base import SolveFailed, SolveStatus, checks_postponed
from odecore.training.captured import CapturedPass
from odecore.training.checks import Pass, steps_until_reading
from odecore.training.fit import Training
from odecore.training.optim import LAYERS, Updates
from odecore.training.precision import numerics
from odecore.training.streams import generator

# Called between two steps; a true answer asks the stack to stop there.
Between = Callable[["Stack"], bool]


class Stack:
    """Trains `members`, which share a `stack_key` and the number of steps taken so far.

    Every member keeps its random streams, records, checkpoints and outcome, and is up to date
    whenever `between` of `run` is called. A member whose loss or state is not finite ends at the
    exact step, and the others go on without it. A member agrees with the same training alone up to
    rounding, not bit for bit. seconds_per_step: of all members together. captured: the step's CUDA
    graph, None where there is none.

    On a GPU the step is captured, as that of one training is (`odecore.training.captured`), unless
    eager. Raises ValueError for members that cannot be stacked.
    """

    def __init__(self, members: Sequence[Training], *, eager: bool = False) -> None:
        keys = {(stack_key(member.spec), member.iteration) for member in members}
        if len(keys) != 1 or None in next(iter(keys)):
            raise ValueError("the members of a stack differ in more than seed and optimizer")
        self.members = list(members)
        self.seconds_per_step = 0.0
        self.captured: CapturedPass | None = None
        self._eager, self._size = eager, len(members)
        self._build()
        self._start_sums()

    def _build(self) -> None:
        """Everything that depends on which members there are."""
        by_optimizer: dict[str, list[Training]] = {}
        for member in self.members:
            config = member.spec.train.optimizer
            by_optimizer.setdefault(config.model_dump_json(), []).append(member)
        self._groups = [_Group(group) for group in by_optimizer.values()]
        self.members = [member for group in self._groups for member in group.members]
        self.iteration = self.members[0].iteration
        self._order: tuple[int, Tensor] = (-1, torch.empty(0))
        # Of each step since the last reading: (2, E), the losses and the largest |x(1)|.
        self._unread: list[Tensor] = []
        self._nfe = self._samples = 0
        self._seconds = 0.0
        if self.members[0].device.type == "cuda" and not self._eager:
            parameters = nn.ModuleList(group.parameters for group in self._groups)
            precision = self.members[0].spec.precision
            self.captured = CapturedPass(self._compute, parameters, precision)

    def _start_sums(self) -> None:
        """Go on with the members' own sums: (E,) each."""
        self._sums = {
            name: torch.stack([member.sums.tensors[name] for member in self.members])
            for name in self.members[0].sums.tensors
        }

    def run(
        self,
        between: Between,
        on_end: Callable[[Training], None] = lambda _: None,
        on_batch: Callable[[], None] = lambda: None,
    ) -> None:
        """Train until every member has an outcome, or `between` stops it before.

        on_end: called with each member once it has its outcome. on_batch: see
        `odecore.training.evaluate.score`.
        """
        while True:
            if not self.step():
                continue
            for member in self.members:
                if member.outcome is None and member.due():
                    member.record(on_batch)
                if member.iteration == member.iterations:
                    member.complete()
            ended = [member for member in self.members if member.outcome]
            self.members = [member for member in self.members if not member.outcome]
            for member in ended:
                on_end(member)
            if not self.members:
                return
            if ended:
                self._build()
            self._start_sums()
            if between(self):
                return

    def step(self) -> bool:
        """One step of every member; whether the members are up to date after it."""
        start = time.perf_counter()
        x, labels = self._batch()
        passed = (self.captured or self._compute)(x, labels)
        norms, bias_norms = self._gradient_norms()
        for group in self._groups:
            group.updates.ready(self.iteration).step()
        sums = self._sums
        sums["loss"] += passed.loss.double() * labels.shape[1]
        sums["correct"] += (passed.logits.argmax(2) == labels).sum(1)
        for name, values in (("gradient_norm_max", norms), ("bias_gradient_norm_max", bias_norms)):
            sums[name] = torch.maximum(sums[name], values.double())
        self._unread.append(torch.stack([passed.loss, *passed.largest]))
        self._nfe = passed.nfe_forward
        self._samples += labels.shape[1]
        self.iteration += 1
        self._seconds += time.perf_counter() - start
        read = self.members[0].due(self.iteration)
        read = read or len(self._unread) >= steps_until_reading(self.seconds_per_step)
        if read:
            self._read()
        return read

    def _batch(self) -> tuple[Tensor, Tensor]:
        """Inputs (E, B, d) and labels (E, B)."""
        first = self.members[0]
        epoch, index = divmod(self.iteration, first.batches)
        if self._order[0] != epoch:
            self._order = (epoch, torch.stack([member.order(epoch) for member in self.members]))
        size = first.spec.train.batch_size
        chosen = self._order[1][:, index * size : (index + 1) * size]
        samples = first.data.train_x.index_select(0, chosen.flatten())
        # Nothing is drawn: points are not augmented.
        x = first.data.training_inputs(samples, generator(0))
        return x.view(*chosen.shape, -1), first.data.train_y[chosen]

    def _compute(self, x: Tensor, labels: Tensor) -> Pass:
        """Forward and backward pass. loss and largest |x(1)|: (E,), logits: (E, B, K)."""
        first = self.members[0]
        assert isinstance(first.model, FlatNode)
        for group in self._groups:
            group.updates.start()
        with checks_postponed(lambda _: None), numerics(first.spec.precision, first.device):
            solution, logits = first.model.stacked(self._parameters(), x)
            losses = functional.cross_entropy(
                logits.flatten(0, 1), labels.flatten(), reduction="none"
            )
        # No member's loss depends on another's parameters: the sum gives each its own gradient.
        loss = losses.view_as(labels).mean(1)
        loss.sum().backward()
        largest = solution.x1.detach().abs().amax((1, 2))
        return Pass(logits.detach(), loss.detach(), (largest,), (solution.nfe,), solution.nfe, 0)

    def _parameters(self) -> Mapping[str, Tensor]:
        """By the model's names, (E, ...) each."""
        first, *rest = [group.by_name for group in self._groups]
        if not rest:
            return first
        return {name: torch.cat([first[name], *(one[name] for one in rest)]) for name in first}

    def _gradient_norms(self) -> tuple[Tensor, Tensor]:
        """Of all gradients of each member, and of the largest of one layer's bias: (E,) both."""
        groups = [group.gradient_norms() for group in self._groups]
        norms, bias_norms = zip(*groups, strict=True)
        return torch.cat(norms), torch.cat(bias_norms)

    def _read(self) -> None:
        """Wait for the device, once, and bring every member up to date."""
        start = time.perf_counter()
        losses, states = torch.stack(self._unread, 1).tolist()
        for group in self._groups:
            group.write_back()
        self._seconds += time.perf_counter() - start
        steps, each = len(self._unread), self._seconds / len(self.members)
        how = "captured" if self.captured and self.captured.refused is None else "eager"
        for number, member in enumerate(self.members):
            member.train_seconds += each
            member.stacked = f"{how}, {self._size} stacked"
            own = [
                (loss[number], state[number]) for loss, state in zip(losses, states, strict=True)
            ]
            bad = next((i for i, pair in enumerate(own) if not all(map(math.isfinite, pair))), None)
            if bad is not None:
                member.iteration += bad
                member.nfe_forward += self._nfe * (bad + 1)
                member.last_loss, state = own[bad]
                if math.isfinite(state):
                    member.diverge(member.last_loss)
                else:
                    member.fail(SolveFailed(SolveStatus.NON_FINITE))
                continue
            member.iteration += steps
            member.nfe_forward += self._nfe * steps
            member.last_loss, _ = own[-1]
            sums = member.sums
            sums.tensors = {name: values[number].clone() for name, values in self._sums.items()}
            sums.samples += self._samples
            sums.steps += steps
            sums.nfe_forward += self._nfe * steps
            sums.train_seconds += each
        self.seconds_per_step = self._seconds / steps
        self._unread, self._samples, self._seconds = [], 0, 0.0


class _Group:
    """Members with the same optimizer: their stacked parameters and its state.

    by_name: parameters, (e, ...) each, of the e members of this group.
    """

    def __init__(self, members: Sequence[Training]) -> None:
        first = members[0]
        self.members = members
        self._of_member = [dict(member.model.named_parameters()) for member in members]
        self.by_name = {
            name: nn.Parameter(torch.stack([own[name].detach() for own in self._of_member]))
            for name in self._of_member[0]
        }
        self._biases = [
            self.by_name[f"{path}.bias"]
            for path, layer in first.model.named_modules()
            if isinstance(layer, LAYERS) and layer.bias is not None
        ]
        self.parameters = nn.ParameterList(self.by_name.values())
        self.updates = Updates(first.spec, self.parameters, first.batches)
        self._read_state()

    def _read_state(self) -> None:
        """Go on with the state of the members' optimizers."""
        assert self.updates.optimizer
        for name, stacked in self.by_name.items():
            states = [
                member.updates.optimizer.state.get(own[name], {})
                for member, own in zip(self.members, self._of_member, strict=True)
                if member.updates.optimizer
            ]
            for key, value in states[0].items():
                of_each_entry = value.shape == stacked.shape[1:]
                self.updates.optimizer.state[stacked][key] = (
                    torch.stack([state[key] for state in states])
                    if of_each_entry
                    else value.clone()
                )

    @torch.no_grad()
    def write_back(self) -> None:
        """Give every member its parameters, state of the optimizer and learning rate."""
        assert self.updates.optimizer
        for number, (member, own) in enumerate(zip(self.members, self._of_member, strict=True)):
            optimizer = member.updates.optimizer
            assert optimizer
            for name, stacked in self.by_name.items():
                own[name].copy_(stacked[number])
                optimizer.state[own[name]] = {
                    key: value[number].clone() if value.shape == stacked.shape else value.clone()
                    for key, value in self.updates.optimizer.state[stacked].items()
                    if value is not None
                }
            for group in optimizer.param_groups:
                group["lr"] = self.updates.learning_rate

    def gradient_norms(self) -> tuple[Tensor, Tensor]:
        """Of all gradients of each member, and of the largest of one layer's bias: (e,) both."""

        def norms(parameters: Sequence[Tensor]) -> Tensor:
            gradients = [p.grad.flatten(1) for p in parameters if p.grad is not None]
            return torch.stack([torch.linalg.vector_norm(one, dim=1) for one in gradients])

        whole = torch.linalg.vector_norm(norms(list(self.by_name.values())), dim=0)
        return whole, norms(self._biases).amax(0)
