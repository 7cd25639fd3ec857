"""How far augmented copies may be from their originals; apart, so that who reads settings needs no image library."""

import dataclasses

# Gaussian noise, random pixels, random patches: see `augmentation.make_noises`.
MOST_NOISES = 3
# What says how strong these are, of stored copies alone.
STRENGTHS = ("noise_std", "noise_pixels", "noise_patches", "noise_patch_sides")
UNCHANGED = (1.0, 1.0)


@dataclasses.dataclass(frozen=True)
class AugmentationPolicy:
    """How far a copy may be from its original.

    The first six are the thesis's (section 3.2.3), of copies that are stored; how strong its noises are is not said
    there. With `online` there are no stored copies: each photo is kept as a crop with a border, and is augmented anew
    at each step of the training.

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
        Smallest and largest factor on colour channels: on the one to three that are drawn, online on each.
    noises : int
        At most so many of Gaussian noise, random pixels and random patches on the face; at least one unless it is 0.
    noise_std : (float, float)
        Smallest and largest standard deviation of the Gaussian noise, as a part of the range of grey levels.
    noise_pixels : (float, float)
        Smallest and largest share of the face's pixels that become black or white.
    noise_patches : int
        At most so many patches, at least one, each of one random colour.
    noise_patch_sides : (float, float)
        Smallest and largest side of a patch, as a share of that of the face's box.
    online : bool
        Whether the training step augments.
    far_share, far_rotation_deg : float
        Share of the samples that are turned by up to this instead.
    mirror : float
        Share that is mirrored.
    gain, contrast, saturation : (float, float)
        Smallest and largest factor on all of a photo, on its distance from its mean, and on that from its grey.
    brightness : float
        Largest part of the range of grey levels that is added or taken away.
    noise : float
        Largest standard deviation of Gaussian noise, as a part of that range.
    patches : int
        Rectangles of one colour, each of which covers something in a third of the samples.
    """

    copies: int
    rotation_deg: float
    zoom: tuple[float, float]
    shift: float
    channel_gain: tuple[float, float]
    noises: int
    noise_std: tuple[float, float] = (0.02, 0.1)
    noise_pixels: tuple[float, float] = (0.01, 0.05)
    noise_patches: int = 3
    noise_patch_sides: tuple[float, float] = (0.1, 0.3)
    online: bool = False
    far_share: float = 0.0
    far_rotation_deg: float = 0.0
    mirror: float = 0.0
    gain: tuple[float, float] = UNCHANGED
    contrast: tuple[float, float] = UNCHANGED
    saturation: tuple[float, float] = UNCHANGED
    brightness: float = 0.0
    noise: float = 0.0
    patches: int = 0

    def __post_init__(self) -> None:
        for name in ("zoom", "channel_gain", "gain"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(f"{name} of an augmentation policy is {low} to {high}; expected 0 < low <= high.")
        for name in ("contrast", "saturation"):
            low, high = getattr(self, name)
            if not 0 <= low <= high:
                raise ValueError(f"{name} of an augmentation policy is {low} to {high}; expected 0 <= low <= high.")
        if min(self.copies, self.rotation_deg, self.shift, self.far_rotation_deg, self.brightness, self.noise) < 0:
            raise ValueError(
                "copies, rotation_deg, far_rotation_deg, shift, brightness and noise of an augmentation policy must "
                "not be negative."
            )
        if not 0 <= self.noises <= MOST_NOISES:
            raise ValueError(f"noises of an augmentation policy is {self.noises}; expected 0 to {MOST_NOISES}.")
        for name in ("noise_std", "noise_pixels", "noise_patch_sides"):
            low, high = getattr(self, name)
            if not 0 < low <= high <= 1:
                raise ValueError(f"{name} of an augmentation policy is {low} to {high}; expected 0 < low <= high <= 1.")
        if self.noise_patches < 1:
            raise ValueError(f"noise_patches of an augmentation policy is {self.noise_patches}; expected 1 or more.")
        if not (0 <= self.far_share <= 1 and 0 <= self.mirror <= 1 and self.patches >= 0):
            raise ValueError("far_share and mirror of an augmentation policy are shares of 0 to 1, patches a count.")
        optional = [each for each in dataclasses.fields(self) if each.default is not dataclasses.MISSING]
        changed = [each.name for each in optional if each.name != "online" and getattr(self, each.name) != each.default]
        alone = [name for name in changed if (name in STRENGTHS) == self.online]
        if alone:
            needed = "false" if self.online else "true"
            raise ValueError(f"{', '.join(alone)} of an augmentation policy need online: {needed}.")
        if self.online and (self.copies or self.noises):
            raise ValueError("An augmentation policy that is online stores no copies: set copies and noises to 0.")
