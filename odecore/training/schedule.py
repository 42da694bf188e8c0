"""The learning rate of each step, as a function of the position alone: nothing of it needs saving."""

from odecore.config.train import GeometricSchedule, LinearSchedule, ScheduleConfig, StepSchedule


def lr(
    config: ScheduleConfig | None, base: float, epoch: int, iteration: int, epochs: int | None
) -> float:
    """Learning rate of step `iteration` in `epoch`, both counted from 0; formulas at the configs. base: the optimizer's own rate.

    epochs: of the whole training, for linear only. Caveat: linear with a `start` above `base`
    becomes negative, which is gradient ascent (ENorm 2019, section 9).
    """
    match config:
        case None:
            return base
        case StepSchedule():
            return base * config.factor ** sum(drop <= epoch for drop in config.drops)
        case LinearSchedule():
            assert epochs is not None
            return base - (base if config.start is None else config.start) * epoch / epochs
        case GeometricSchedule():
            return base * config.factor ** (
                (epoch if config.unit == "epochs" else iteration) // config.every
            )
