"""What a training run can be told: checked, frozen, and free of Keras, so that every stage can read them.

A field whose absence has a natural meaning has that as its default: a new one changes no older settings.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.uv.scaling import SCALINGS

STRATEGIES = ("joint", "frozen", "staged")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
BACKENDS = ("tensorflow", "jax")
# What a network may put out, each with the keys of `network` that such a one does not look at.
UNUSED = {
    "position_map": ("passes",),
    "canonical_map": ("passes", "residual", "lean"),
    "coefficients": ("levels", "residual", "lean"),
    "volume": ("passes", "residual", "lean"),
}
# Name in place of a variant's, where a network starts with weights drawn at random.
RANDOM = "random"
NORMS = ("l1", "euclidean", "l2")
Rule = tuple[bool, str]
SCHEDULES = ("halvings", "cosine")
OPTIMIZERS = ("adam", "adamw")
RESIDUAL_JOINS = ("logits", "thesis")
CONVOLUTIONS = ("full", "separable")
# Counts of the refinement.
RESIDUAL = ("residual_blocks", "residual_width", "residual_head_width", "residual_stages", "residual_shrink")


def _at_least_one(section: str, config: object, names: Iterable[str]) -> list[Rule]:
    values = {name: getattr(config, name) for name in names}
    return [(value >= 1, f"{section}.{name} is {value}; expected 1 or more.") for name, value in values.items()]


def _one_of(where: str, value: str, accepted: tuple[str, ...]) -> Rule:
    return value in accepted, f"{where} is {value!r}; expected one of {', '.join(accepted)}."


def _check_all(*rules: Rule) -> None:
    """Raise ValueError with the sentences of all rules that do not hold, a line each."""
    broken = [sentence for holds, sentence in rules if not holds]
    if broken:
        raise ValueError("\n".join(broken))


@dataclass(frozen=True)
class NetworkConfig:
    """Section `network`: the architecture, beside the side of the maps and the scaling of their values.

    Attributes
    ----------
    regresses : {'position_map', 'canonical_map', 'coefficients', 'volume'}
        What the network puts out: a position map (PRNet and the thesis); shape and pose apart, by a decoder each
        (SADRNet), which have no refinement and are not lean, see `canonical_network`; the camera and the coefficients
        of the face model (3DDFA), by a network of its own to which only `width`, `passes` and `batch_norm_momentum`
        apply; or a volume of voxels (VRN), by one to which `width`, `levels` and `batch_norm_momentum` do.
    width : int
        Channels of the first convolution; 16 in Tables 3.1 and 3.3. Every other width is a multiple of it.
    levels : int
        Halvings between the image and the deepest level, two residual blocks each; 5 in the tables, which leaves 8 x 8
        of 256 x 256 px. 0 where coefficients are regressed.
    lean : bool
        Whether it is our own encoder-decoder instead of the tables', see `networks`; it starts from the mean map.
    convolution : {'full', 'separable'}
        What the lean encoder-decoder is made of: full convolutions, or one of each channel by itself and one of kernel
        1 across the channels (MobileNet), see `networks`; the first and the last layer are full.
    batch_norm_momentum : float
        Share of the old statistics kept at each step. It has to suit the number of steps of a run.
    residual : bool
        Whether the refinement of section 3.4.3 follows the encoder-decoder.
    residual_blocks, residual_width, residual_head_width : int
        Its blocks, their channels, and the channels of the 3x3 convolution after them: 8, 64 and 256. 0 without it.
    residual_join : {'logits', 'thesis'}
        Where the difference is added: before the brief output's activation, or after it; see `networks`.
    residual_stages : int
        How often the refinement follows, each time on the output before; 1 in the thesis, which suggests more.
    residual_shrink : int
        Side of the squares of pixels that the refinement gathers into channels: 1 in the thesis; 4 refines at a quarter
        of the resolution, with a sixteenth of the work in the blocks.
    passes : int
        How often coefficients are regressed: 1, or more for 3DDFA's cascade, in which each pass after the first sees
        the photo with a picture (PNCC) of the face that the one before has found, and corrects it.
    """

    regresses: str
    width: int
    levels: int = 0
    batch_norm_momentum: float = 0.99
    residual: bool = False
    residual_blocks: int = 0
    residual_width: int = 0
    residual_head_width: int = 0
    residual_join: str = "logits"
    residual_stages: int = 1
    residual_shrink: int = 1
    lean: bool = False
    passes: int = 1
    convolution: str = "full"

    def __post_init__(self) -> None:
        # A bottleneck has half of its block's channels, and the first block has twice this width.
        own = [name for name in ("levels", "passes") if name not in UNUSED.get(self.regresses, ())]
        counts = ["width", *own, *(RESIDUAL if self.refined else [])]
        momentum = self.batch_norm_momentum
        _check_all(
            _one_of("network.regresses", self.regresses, tuple(UNUSED)),
            *_at_least_one("network", self, counts),
            (0 <= momentum < 1, f"network.batch_norm_momentum is {momentum}; expected at least 0 and below 1."),
            _one_of("network.residual_join", self.residual_join, RESIDUAL_JOINS),
            _one_of("network.convolution", self.convolution, CONVOLUTIONS),
        )

    @property
    def refined(self) -> bool:
        """Whether there is a refinement: it follows position maps only."""
        return self.residual and self.regresses == "position_map"

    @property
    def separable(self) -> bool:
        """Whether convolutions are of each channel by itself, and then across them: in the lean network only."""
        return self.lean and self.convolution == "separable"


@dataclass(frozen=True)
class LossTerms:
    """What the loss of one output adds up (equation 3.4), each with its factor.

    Attributes
    ----------
    regions : bool
        Whether equation 3.1 weighs texels by the thesis's four regions, or all of the map alike.
    position, symmetry, smoothness : float
        Factors of equations 3.1, 3.2 and 3.3: lambda 1, 2 and 3.
    """

    regions: bool = False
    position: float = 1.0
    symmetry: float = 0.0
    smoothness: float = 0.0

    def __post_init__(self) -> None:
        _check_all(
            (self.position > 0, f"loss.*.position is {self.position}; expected a factor above 0."),
            *(
                (value >= 0, f"loss.*.{name} is {value}; expected a factor of 0 or more.")
                for name, value in (("symmetry", self.symmetry), ("smoothness", self.smoothness))
            ),
        )


@dataclass(frozen=True)
class RegionWeights:
    """What texels weigh in equation 3.1, where `LossTerms.regions` asks for it; what is no face weighs nothing.

    Attributes
    ----------
    landmarks : float
        The texel of each of the 68 landmarks, and the ring of one texel around it.
    features : float
        Eyes, nose and mouth.
    face : float
        The rest of the face.
    """

    landmarks: float = 1.0
    features: float = 0.4
    face: float = 0.3

    def __post_init__(self) -> None:
        weights = (self.landmarks, self.features, self.face)
        _check_all((min(weights) >= 0 < max(weights), f"loss.weights are {weights}; expected none below 0, one above."))


@dataclass(frozen=True)
class LossConfig:
    """Section `loss`.

    Attributes
    ----------
    norm : {'l1', 'euclidean', 'l2'}
        How equation 3.1 measures the difference of two positions, see `losses.weighted_distance`.
    brief : LossTerms
        Of the encoder-decoder's output where the refinement follows it.
    final : LossTerms
        Of the last output.
    weights : RegionWeights
        Of the regions, for each output whose terms ask for them.
    """

    norm: str = "l1"
    brief: LossTerms = LossTerms()
    final: LossTerms = LossTerms()
    weights: RegionWeights = RegionWeights()

    def __post_init__(self) -> None:
        _check_all(_one_of("loss.norm", self.norm, NORMS))


@dataclass(frozen=True)
class TrainConfig:
    """Section `train`.

    Attributes
    ----------
    variant : str
        Name of the entry of `variants` that these settings are.
    recipe : str
        Entry of section `recipes`, whose keys are laid over those here.
    policy, level : str
        Which augmented samples: ``data/augmented/<policy>-<level>``.
    scaling : {'tanh', 'linear', 'sigmoid', 'prnet'}
        How pixels become the network's values, see `scaling.Scaling`.
    strategy : {'joint', 'frozen', 'staged'}
        Which parts of the network learn when, see `training.phases`.
    init : str
        Folder in runs/ whose weights the encoder-decoder starts from, or 'random'.
    lr : float
        The highest rate of each phase.
    budget : int
        Samples that the network sees, counted each time, in all phases together; phases share it evenly, and have whole
        epochs. 0 applies the weights of `init` as they are.
    patience : int
        Validations without a gain that end a phase sooner.
    optimizer : {'adam', 'adamw'}
    weight_decay : float
        AdamW's.
    schedule : {'halvings', 'cosine'}
        halvings: the rate begins at `lr`, and is halved every `halve_every` epochs. cosine: it rises to `lr` within the
        share `warm_up` of a phase, and falls to 0 along a cosine, as one cycle of a one-cycle policy.
    halve_every : int
    warm_up : float
    clip : float
        Largest norm of the gradient, of a loss in units of the network's range; 0 for none.
    average : float
        Share of the old average of the weights that each step keeps; the network that is judged and kept has the
        average. 0 for none. Short runs keep less: an average reaches over a twentieth of a phase at most.
    euclidean_from : float
        Share of a phase from which distances are Euclidean, where loss.norm is l1.
    growth : float
        Share of a run's first phase in which an online augmentation grows from nothing to its policy: with all of it
        from the start, hundreds of steps put out the mean map alone.
    mirror : bool
        Whether a prediction is the mean of a photo's and its mirror image's.
    batch_size : int
    seeds : list of int
        A network is trained from each; the one that is best on the validation part is the run's.
    backend : {'tensorflow', 'jax'}
        What Keras trains and predicts on; weights of one are read by the other.
    xla : bool
        Whether XLA compiles the training step on TensorFlow; JAX's is always compiled.
    precision : {'float32', 'mixed_bfloat16', 'mixed_float16'}
        Keras's name of what layers compute in; weights, outputs and losses are float32 in each.
    devices : int
        Accelerators that share each batch, by Keras's data parallelism.
    """

    variant: str
    policy: str
    level: str
    scaling: str
    lr: float
    budget: int
    batch_size: int
    seeds: list[int]
    recipe: str = ""
    strategy: str = "joint"
    init: str = RANDOM
    optimizer: str = "adam"
    weight_decay: float = 0.0
    schedule: str = "halvings"
    halve_every: int = 5
    patience: int = 5
    warm_up: float = 0.0
    clip: float = 0.0
    average: float = 0.0
    euclidean_from: float = 1.0
    growth: float = 0.0
    mirror: bool = False
    backend: str = "tensorflow"
    xla: bool = False
    precision: str = "float32"
    devices: int = 1

    def __post_init__(self) -> None:
        _check_all(
            _one_of("train.scaling", self.scaling, SCALINGS),
            _one_of("train.strategy", self.strategy, STRATEGIES),
            _one_of("train.level", self.level, ("on", "off")),
            (self.lr > 0, f"train.lr is {self.lr}; expected a rate above 0."),
            (
                bool(self.seeds) and min(self.seeds) >= 0 and len(set(self.seeds)) == len(self.seeds),
                f"train.seeds is {self.seeds}; expected one or more different numbers, none below 0.",
            ),
            _one_of("train.backend", self.backend, BACKENDS),
            _one_of("train.precision", self.precision, PRECISIONS),
            (
                self.budget >= (self.init == RANDOM),
                f"train.budget is {self.budget}; expected 1 sample or more, or 0 to apply the weights of train.init as "
                "they are.",
            ),
            _one_of("train.optimizer", self.optimizer, OPTIMIZERS),
            _one_of("train.schedule", self.schedule, SCHEDULES),
            (min(self.weight_decay, self.clip) >= 0, "train.weight_decay and train.clip must not be negative."),
            (
                0 <= self.warm_up < 1 and 0 <= self.average < 1 and max(0, self.growth, self.euclidean_from) <= 1,
                "train.warm_up, average, growth and euclidean_from are shares of 0 to 1, the first two below 1.",
            ),
            *_at_least_one("train", self, ["batch_size", "halve_every", "patience", "devices"]),
            (
                self.devices < 1 or self.batch_size % self.devices == 0,
                f"train.batch_size is {self.batch_size}; expected a multiple of the {self.devices} train.devices.",
            ),
            (
                self.devices <= 1 or self.backend == "jax",
                f"train.devices is {self.devices}, but Keras shares batches between devices only on JAX: set "
                "train.backend to jax, or train.devices to 1.",
            ),
        )
