"""What a slot's process does with its assignments: one as it is, several as stacks.

A stack is one batched step of trainings of the same shape, see `odecore.training.stack`.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence

from odecore.training.fit import Training
from odecore.training.stack import Stack
from sweeps.worker.messages import Alive, Assignment, Content, Context, Ending, Message, ShouldStop
from sweeps.worker.run_one import OneTrial, run_one

LOG = logging.getLogger("odesweep")

Send = Callable[[Message], None]


def run_together(
    assignments: Sequence[Assignment],
    context: Context,
    send: Send,
    should_stop: ShouldStop,
    *,
    debug: bool = False,
) -> None:
    """Run every assignment and send its ending. debug: see `run_one`."""
    if len(assignments) > 1:
        _Together(assignments, context, send, should_stop, debug).run()
        return
    for assignment in assignments:
        emit = _emit(assignment, send)
        emit(run_one(assignment, context, emit, should_stop, debug=debug))


def _emit(assignment: Assignment, send: Send) -> Callable[[Content], None]:
    def emit(content: Content) -> None:
        send(Message(assignment.task.trial_id, content))

    return emit


class _Together:
    """Several trials of one shape. Members resumed at different steps train one after another."""

    def __init__(
        self,
        assignments: Sequence[Assignment],
        context: Context,
        send: Send,
        should_stop: ShouldStop,
        debug: bool,
    ) -> None:
        self.context, self.should_stop, self.debug = context, should_stop, debug
        self.trials = [
            OneTrial(assignment, context, _emit(assignment, send), should_stop)
            for assignment in assignments
        ]

    def run(self) -> None:
        """Train all of them, those at the same step as one stack."""
        at: dict[int, list[tuple[OneTrial, Training]]] = defaultdict(list)
        for trial in self.trials:
            begun = trial.guarded(trial.begin, debug=self.debug)
            if isinstance(begun, Ending):
                trial.emit(begun)
            else:
                at[begun.iteration].append((trial, begun))
        for members in at.values():
            if len(members) > 1 and members[0][1].iteration < members[0][1].iterations:
                self._stacked(members)
            else:
                for trial, _ in members:
                    self._alone(trial)

    def _alone(self, trial: OneTrial) -> None:
        """From the last checkpoint on."""
        trial.emit(trial.guarded(trial.run, debug=self.debug))

    def _stacked(self, members: Sequence[tuple[OneTrial, Training]]) -> None:
        open_ = {id(training): trial for trial, training in members}
        leader = members[0][0]

        def end(training: Training) -> None:
            trial = open_.pop(id(training))
            trial.emit(trial.guarded(lambda: trial.end(training), debug=self.debug))

        def between(stack: Stack) -> bool:
            stop = self.should_stop()
            # All of them together, so that they resume at the same step.
            due = stop or leader.checkpoint_due(len(stack.members))
            for training in stack.members:
                trial = open_[id(training)]
                trial.tell_progress(training, stack.seconds_per_step)
                if due:
                    trial.checkpoint(training, stop=stop)
            return stop

        try:
            stack = Stack([training for _, training in members], eager=self.context.eager)
            stack.run(between, end, lambda: leader.emit(Alive()))
        except Exception:
            if self.debug:
                raise
            # Which member is to blame is not known. Alone, each has its own row and ending.
            LOG.exception("a stack of %d trials failed; each trains alone", len(members))
            for trial in list(open_.values()):
                self._alone(trial)
            return
        for _, training in members:
            if id(training) in open_:
                end(training)
