"""How far augmented copies may be from their originals; apart, so that who reads settings needs no image library."""

import dataclasses

# Gaussian noise, random pixels, random patches: see `augmentation.NOISES`.
MOST_NOISES = 3


@dataclasses.dataclass(frozen=True)
class AugmentationPolicy:
    """How far a copy may be from its original.

    Attributes
    ----------
    copies : int
        Augmented copies of each sample, beside the original.
    rotation_deg : float
        Largest turn either way.
    zoom : (float, float)
        Smallest and largest scale.
    shift : float
        Largest shift either way, as a share of the image's side.
    channel_gain : (float, float)
        Smallest and largest factor on the one to three colour channels that are drawn.
    noises : int
        At most so many of Gaussian noise, random pixels and random patches on the face; at least one unless it is 0.
    """

    copies: int
    rotation_deg: float
    zoom: tuple[float, float]
    shift: float
    channel_gain: tuple[float, float]
    noises: int

    def __post_init__(self) -> None:
        for name in ("zoom", "channel_gain"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(f"{name} of an augmentation policy is {low} to {high}; expected 0 < low <= high.")
        if self.copies < 0 or self.rotation_deg < 0 or self.shift < 0:
            raise ValueError("copies, rotation_deg and shift of an augmentation policy must not be negative.")
        if not 0 <= self.noises <= MOST_NOISES:
            raise ValueError(f"noises of an augmentation policy is {self.noises}; expected 0 to {MOST_NOISES}.")
