"""What a training run can be told: checked, frozen, and free of Keras, so that every stage can read them."""

from dataclasses import dataclass

SCALINGS = ("tanh", "sigmoid", "prnet")
STRATEGIES = ("joint", "frozen", "staged")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
REGRESSED = ("position_map", "coefficients")
# Name in place of a variant's, where a network starts with weights drawn at random.
RANDOM = "random"
NORMS = ("l1", "l2")
RESIDUAL_JOINS = ("logits", "thesis")


@dataclass(frozen=True)
class NetworkConfig:
    """Section `network`: the architecture, beside the side of the maps and the scaling of their values.

    Attributes
    ----------
    regresses : {'position_map', 'coefficients'}
        What the network puts out: a position map (PRNet and the thesis), or the camera and the coefficients of the face
        model (3DDFA), by a network of its own to which only `width` and `batch_norm_momentum` apply.
    width : int
        Channels of the first convolution; 16 in Tables 3.1 and 3.3. Every other width is a multiple of it.
    levels : int
        Halvings between the image and the deepest level, two residual blocks each; 5 in the tables, which leaves 8 x 8
        of 256 x 256 px.
    batch_norm_momentum : float
        Share of the old statistics kept at each step. It has to suit the number of steps of a run.
    residual : bool
        Whether the refinement of section 3.4.3 follows the encoder-decoder.
    residual_blocks, residual_width, residual_head_width : int
        Its blocks, their channels, and the channels of the 3x3 convolution after them: 8, 64 and 256.
    residual_join : {'logits', 'thesis'}
        Where the difference is added: before the brief output's activation, or after it; see `networks`.
    residual_stages : int
        How often the refinement follows, each time on the output before; 1 in the thesis, which suggests more.
    residual_shrink : int
        Side of the squares of pixels that the refinement gathers into channels: 1 in the thesis; 4 refines at a quarter
        of the resolution, with a sixteenth of the work in the blocks.
    """

    regresses: str
    width: int
    levels: int
    batch_norm_momentum: float
    residual: bool
    residual_blocks: int
    residual_width: int
    residual_head_width: int
    residual_join: str
    residual_stages: int
    residual_shrink: int

    def __post_init__(self) -> None:
        _one_of("network.regresses", self.regresses, REGRESSED)
        # A bottleneck has half of its block's channels, and the first block has twice this width.
        _at_least_one("network", self, ("width", "levels", "residual_blocks", "residual_width", "residual_head_width"))
        _at_least_one("network", self, ("residual_stages", "residual_shrink"))
        momentum = self.batch_norm_momentum
        _check(0 <= momentum < 1, f"network.batch_norm_momentum is {momentum}; expected at least 0 and below 1.")
        _one_of("network.residual_join", self.residual_join, RESIDUAL_JOINS)


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

    regions: bool
    position: float
    symmetry: float
    smoothness: float

    def __post_init__(self) -> None:
        _check(self.position > 0, f"loss.*.position is {self.position}; expected a factor above 0.")
        for name in ("symmetry", "smoothness"):
            value = getattr(self, name)
            _check(value >= 0, f"loss.*.{name} is {value}; expected a factor of 0 or more.")


@dataclass(frozen=True)
class LossConfig:
    """Section `loss`.

    Attributes
    ----------
    norm : {'l1', 'l2'}
        How equation 3.1 measures the difference of two positions, see `losses.weighted_distance`.
    brief : LossTerms
        Of the encoder-decoder's output where the refinement follows it.
    final : LossTerms
        Of the last output.
    """

    norm: str
    brief: LossTerms
    final: LossTerms

    def __post_init__(self) -> None:
        _one_of("loss.norm", self.norm, NORMS)


@dataclass(frozen=True)
class TrainConfig:
    """Section `train`.

    Attributes
    ----------
    variant : str
        Name of the entry of `variants` that these settings are.
    policy, level : str
        Which augmented samples: ``data/augmented/<policy>-<level>``.
    scaling : {'tanh', 'sigmoid', 'prnet'}
        How pixels become the network's values, see `scaling.Scaling`.
    strategy : {'joint', 'frozen', 'staged'}
        Which parts of the network learn when, see `training.phases`.
    init : str
        Folder in runs/ whose weights the encoder-decoder starts from, or 'random'.
    lr : float
        Adam's first rate; halved every `halve_every` epochs.
    epochs : int
        At most so many in each phase; `patience` epochs without a gain on the validation part end it sooner. 0 applies
        the weights of `init` as they are.
    batch_size : int
    seeds : list of int
        A network is trained from each; the one that is best on the validation part is kept.
    xla : bool
        Whether XLA compiles the training step.
    precision : {'float32', 'mixed_bfloat16', 'mixed_float16'}
        Keras's name of what layers compute in; weights, outputs and losses are float32 in each.
    devices : int
        Accelerators that share each batch, by Keras's data parallelism.
    """

    variant: str
    policy: str
    level: str
    scaling: str
    strategy: str
    init: str
    lr: float
    halve_every: int
    epochs: int
    patience: int
    batch_size: int
    seeds: list[int]
    xla: bool
    precision: str
    devices: int

    def __post_init__(self) -> None:
        _one_of("train.scaling", self.scaling, SCALINGS)
        _one_of("train.strategy", self.strategy, STRATEGIES)
        _one_of("train.level", self.level, ("on", "off"))
        _check(self.lr > 0, f"train.lr is {self.lr}; expected a rate above 0.")
        _check(
            bool(self.seeds) and min(self.seeds) >= 0 and len(set(self.seeds)) == len(self.seeds),
            f"train.seeds is {self.seeds}; expected one or more different numbers, none below 0.",
        )
        _one_of("train.precision", self.precision, PRECISIONS)
        _check(
            self.epochs >= (self.init == RANDOM),
            f"train.epochs is {self.epochs}; expected 1 or more, or 0 to apply the weights of train.init as they are.",
        )
        _at_least_one("train", self, ("batch_size", "halve_every", "patience", "devices"))
        _check(
            self.batch_size % self.devices == 0,
            f"train.batch_size is {self.batch_size}; expected a multiple of the {self.devices} train.devices.",
        )


def _at_least_one(section: str, config: object, names: tuple[str, ...]) -> None:
    for name in names:
        value = getattr(config, name)
        _check(value >= 1, f"{section}.{name} is {value}; expected 1 or more.")


def _one_of(where: str, value: str, accepted: tuple[str, ...]) -> None:
    _check(value in accepted, f"{where} is {value!r}; expected one of {', '.join(accepted)}.")


def _check(condition: bool, sentence: str) -> None:
    if not condition:
        raise ValueError(sentence)
