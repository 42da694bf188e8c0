"""What every model says about itself without torch."""

from typing import ClassVar, NamedTuple

from odecore.config.section import Choice


class Work(NamedTuple):
    """Multiply-adds per sample of a model's convolutions and linear layers.

    inside: one call of the right-hand side in every ODE block. outside: the rest of one forward
    pass. The counts predict costs without torch and are within 15 % of torch's FLOP counter.
    Caveat: on points of at most ten dimensions the flat net multiplies by matrices, which takes
    more operations but less time.
    """

    inside: int = 0
    outside: int = 0


class Model(Choice):
    """A model as one record. To add one, add a file with a subclass to `odecore.config.models`.

    name: in specs, a Literal with itself as default.
    builder: "module:function" with the signature
    build(config, shape, classes, solver, gradient) -> nn.Module; solver and gradient are None for a
    model without ODE.
    takes: the kinds of data it takes. trains: whether it has parameters.
    takes_any_solver: whether it runs with any solver and with none.
    """

    takes: ClassVar[tuple[str, ...]] = ("images",)
    trains: ClassVar[bool] = True
    takes_any_solver: ClassVar[bool] = False

    @property
    def ode_blocks(self) -> int:
        """Number of ODE blocks."""
        return 1

    def can_stack(self, shape: tuple[int, ...]) -> bool:  # noqa: ARG002 - for subclasses
        """Whether many of these nets on inputs of this shape can be one batched net.

        The module then has `stacked`, see `odecore.models.flat_node`.
        """
        return False

    def operations(self, shape: tuple[int, ...], classes: int) -> Work:
        """The model's work on inputs of this shape, which has no batch axis.

        Every model has its own count.
        """
        raise NotImplementedError

    def weights(self, shape: tuple[int, ...], classes: int) -> int:
        """How many numbers a file of the model's weights holds.

        Those of its convolutions, linear layers and temporal norms; biases and other norms are few.
        They predict the size of files without torch. Every model has its own count.
        """
        raise NotImplementedError
