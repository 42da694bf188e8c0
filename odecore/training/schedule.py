"""The learning rate of each step, as a function of its position alone."""

from odecore.config.train import (
    GeometricSchedule,
    HalfwaySchedule,
    LinearSchedule,
    ScheduleConfig,
    StepSchedule,
)


def lr(
    config: ScheduleConfig | None, base: float, epoch: int, iteration: int, epochs: int | None
) -> float:
    """Learning rate of step `iteration` in `epoch`, both from 0. base: the optimizer's rate.

    Formulas are at the configs.

    epochs: of the whole training, for linear and halfway. Caveat: linear with a `start` above
    `base` becomes negative, which is gradient ascent (ENorm 2019, code).
    """
    match config:
        case None:
            return base
        case StepSchedule():
            return base * config.factor ** sum(drop <= epoch for drop in config.drops)
        case LinearSchedule():
            assert epochs is not None
            return base - (base if config.start is None else config.start) * epoch / epochs
        case HalfwaySchedule():
            assert epochs is not None
            return base * config.factor if 2 * epoch >= epochs else base
        case GeometricSchedule():
            return base * config.factor ** (
                (epoch if config.unit == "epochs" else iteration) // config.every
            )
