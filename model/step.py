"""A training step as a Keras model: from a batch to the loss of each of a network's outputs, on any backend.

That what happens to a batch before the network is part of the model, too, lets Keras compile and place all of it.
"""

from collections.abc import Callable, Mapping
from typing import Any

import keras
from keras import ops
from numpy.typing import NDArray

from model.losses import Loss

Tensor = Any
Preparation = Callable[[Mapping[str, Tensor]], tuple[Tensor, Tensor]]


def stored(batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Photos and labels of a batch that has them as they are."""
    return batch["photo"], batch["label"]


class TrainingStep(keras.Model):
    """A network and what it learns by.

    Parameters
    ----------
    network : keras.Model
        From photos to a dict of outputs.
    prepare : callable
        From a batch to photos and labels.
    losses : dict of str to (Loss, Loss)
        Of those outputs that are measured: before and after a batch's `late` is 1.
    crops : (N, C, C, 3) uint8, optional
        Crops of all samples, which batches name by `index`; they lie where the network computes.
    """

    def __init__(
        self,
        network: keras.Model,
        prepare: Preparation,
        losses: Mapping[str, tuple[Loss, Loss]],
        crops: NDArray | None = None,
    ) -> None:
        # What is prepared is no network's business: it stays in float32 whatever the network computes in.
        super().__init__(dtype="float32", autocast=False, name="step")
        self.network, self._prepare, self.losses_of = network, prepare, dict(losses)
        self.crops = None
        if crops is not None:
            self.crops = self.add_weight(crops.shape, "zeros", "uint8", trainable=False, autocast=False, name="crops")
            self.crops.assign(crops)
        # Python runs this model only while Keras traces it: a step that is compiled leaves this at a few.
        self.traces = 0
        self.built = True

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute; on JAX, Keras looks for layers in all of the state after each step, which takes longer."""
        if name == "_jax_state":
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    def call(self, batch: Mapping[str, Tensor], training: bool | None = None) -> dict[str, Tensor]:
        """Losses (n,) of each output."""
        self.traces += 1
        if self.crops is not None:
            batch = {**batch, "crop": ops.take(self.crops, batch["index"], axis=0)}
        photos, labels = self._prepare(batch)
        outputs = self.network(photos, training=training)
        late = ops.reshape(batch["late"], (-1,))
        values = {}
        for name, (early_loss, late_loss) in self.losses_of.items():
            values[name] = early_loss(labels, outputs[name])
            if late_loss is not early_loss:
                values[name] = ops.where(late > 0, late_loss(labels, outputs[name]), values[name])
        return values


def itself(_true: Tensor, value: Tensor) -> Tensor:
    """The loss of a loss."""
    return value
