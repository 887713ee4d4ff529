"""What a recipe is: a complete training configuration, as data."""

from __future__ import annotations

import dataclasses
import inspect
import math
from dataclasses import dataclass, field
from typing import Any, Literal

import torch

from .._core import ResizeMode, check_types
from ..models import DiscriminatorConfig, GeneratorConfig, Initialization, Latent, Normalization, Upsampling
from ._recipe_checks import check_recipe
from ._recipe_fields import DISCRIMINATOR_FIELDS, GENERATOR_FIELDS
from ._variations import DEFORMATIONS, TONES

Objective = Literal["adversarial", "anchored", "imle"]


@dataclass(frozen=True)
class Recipe:
    """Everything that :func:`fit` needs to know besides the images.

    Shares of the run (``coverage``, ``class_fade``, ``growing``, ``warmup``, ``cooldown``) are of its
    steps, or of its budget where that ends first.

    Args:
        description (str): What it is for, in a line.

        image_size (int): Side of the images in pixels: 16, 28, 32, 64, 128 or 256.
        channels (int, optional): 1 or 3. Default: as the images are.
        resize_mode (str): How images are brought to that size: ``"resize"``, ``"crop"`` or ``"pad"``.
        conditional (bool): Whether the generator learns the classes.
        flip (bool): Whether a mirrored image is as good as the image; with anchors it gets one too.
        balance_classes (bool): Whether every class is drawn equally often, however rare.
        held_out (float): Share of the images that is not trained on, but that the kept generator is chosen
            by (KID). 0 keeps the last one.

        latent_dim (int): Length of the latent.
        latent (str): ``"normal"`` or ``"uniform"``.
        generator_width (int): Feature maps of the generator at half the image size.
        discriminator_width (int): The same of the discriminator.
        max_width (int): The most feature maps at any resolution, of both.
        kernel_size (int): Of the layers of both.
        upsampling (str): ``"transposed"`` or ``"resize"``.
        initialization (str): Of both: ``"dcgan"``, ``"glorot"`` or ``"torch"``.
        generator_base_size, discriminator_base_size (int, optional): Side of the smallest feature map.
        generator_stem_width (int): Channels of a further first layer; 0 for none.
        normalize_units (bool): Whether batch normalisation of that first layer is of every unit.
        generator_negative_slope, discriminator_negative_slope (float): Of the leaky ReLU; 0 is ReLU.
        generator_normalization (str): ``"batch"``, ``"instance"`` or ``"none"``.
        discriminator_normalization (str): The same of the discriminator.
        normalize_first (bool): Whether the discriminator's first layer is normalised too.
        generator_spectral_norm, discriminator_spectral_norm (bool): Spectral normalisation.
        dropout (float): After each layer of the discriminator.
        minibatch_stddev (int): Group size of the minibatch standard deviation; 0 for none.
        attention_resolution (int): Side of the feature maps with self-attention; 0 for none.

        objective (str): ``"adversarial"``: a discriminator. ``"anchored"``: each training image owns a
            latent, and generator and latents are fitted together to give the image back
            (https://arxiv.org/abs/1707.05776). ``"imle"``: each training image pulls the nearest of many
            drawn images (https://arxiv.org/abs/1809.09087), of which those that are already near one are
            rejected (https://arxiv.org/abs/2409.17439).
        coverage (float): Share of the run before the discriminator joins an ``"anchored"`` or ``"imle"``
            objective; 1 leaves it out.
        reconstruction_weight (float): Of that objective beside the discriminator's.
        latent_noise (float): Standard deviation of the noise on each coordinate of anchored latents while
            they are fitted; half of it in sampling.
        deform, tone (float): How far samples of an ``"anchored"`` fit are deformed and their tones changed, by what
            pairs of images of a class differ by; 1 is as far as they do.
        coverage_lr, latent_lr (float): Adam's, of the generator and the anchors before the discriminator
            joins.
        imle_candidates (int): Images drawn for each one that IMLE pulls.
        loss (str): ``"nonsaturating"``, ``"hinge"``, ``"least_squares"``, ``"wasserstein"`` or
            ``"relativistic"``.
        label_smoothing (float): The target of reals is 1 less this.
        gradient_penalty (float): Weight of the Wasserstein gradient penalty; 0 for none.
        r1, r2 (float): Weight of half the squared gradient at reals and at fakes.
        penalty_every (int): Steps from one of these penalties to the next; weighted to make up for it.
        lecam (float): Weight of the LeCam regulariser.
        clip_weights (float): Largest weight of a Wasserstein critic without penalty; 0 for none.
        top_k (float): The generator learns from the best share of its fakes, which falls by 1 % each
            epoch down to this; 1 for all.
        class_fade (tuple of float): Shares of the run between which the classes fade in.

        batch_size (int): Images a step, over all processes.
        accumulation (int): Parts that a batch is computed in, to save memory.
        steps (int): Steps of the generator, unless the budget ends first.
        epochs (int): If above 0, this many passes over the images in place of ``steps``.
        n_critic (int): Steps of the discriminator for each one of the generator.
        optimizer (str): A class of ``torch.optim`` that takes ``lr``.
        optimizer_options (dict): Further arguments of it.
        generator_lr, discriminator_lr (float): Learning rates.
        schedule (str): Of the learning rates: ``"constant"``, ``"linear"`` or ``"cosine"``, or a class of
            ``torch.optim.lr_scheduler`` that steps once a step.
        schedule_options (dict): Further arguments of such a class.
        cooldown (float): Last share of the run, over which learning rates and augmentation fall to zero.
        ema_decay (float): Of the moving average of the generator, per step; 0 for none.
        augment (dict of str to float): Differentiable augmentation: the probability of each operation.
        adaptive (int): If above 0, the augmentation's strength starts at 0 and follows the
            discriminator's overfitting, by at most 1 over this many images
            (https://arxiv.org/abs/2006.06676).
        growing (float): Share of the run in which the networks grow from small images to the full size.
        warmup (float): Share of the run for which a discriminator that is new to a pretrained generator
            learns alone.
        freeze_discriminator (int): First blocks of a pretrained discriminator that stay as they are
            (https://arxiv.org/abs/2002.10964).
        tune (str): What of a pretrained generator learns: ``"all"``, ``"norms"`` (scales and shifts) or
            ``"mapping"`` (a small network before it).
        mapping_layers (int): Layers of a network that maps the latent before the generator does.
        precision (str): ``"auto"`` (bfloat16 where the processor computes in it), ``"bf16"``, ``"fp16"``
            or ``"fp32"``.
        evaluations (int): How often samples are drawn and measured, evenly over the run.

    Raises:
        ValueError: If a value is unknown, out of range, or does not go with another.
    """

    description: str = ""

    image_size: int = 64
    channels: int | None = None
    resize_mode: ResizeMode = "crop"
    conditional: bool = False
    flip: bool = False
    balance_classes: bool = False
    held_out: float = 0.0

    latent_dim: int = 64
    latent: Latent = "normal"
    generator_width: int = 64
    discriminator_width: int = 64
    max_width: int = 1024
    kernel_size: int = 4
    upsampling: Upsampling = "transposed"
    initialization: Initialization = "dcgan"
    generator_base_size: int | None = None
    discriminator_base_size: int | None = None
    generator_stem_width: int = 0
    normalize_units: bool = False
    generator_negative_slope: float = 0.0
    discriminator_negative_slope: float = 0.2
    generator_normalization: Normalization = "batch"
    discriminator_normalization: Normalization = "none"
    normalize_first: bool = False
    generator_spectral_norm: bool = False
    discriminator_spectral_norm: bool = True
    dropout: float = 0.0
    minibatch_stddev: int = 0
    attention_resolution: int = 0
    mapping_layers: int = 0

    objective: Objective = "adversarial"
    coverage: float = 0.5
    reconstruction_weight: float = 8.0
    latent_noise: float = 0.2
    deform: float = 0.0
    tone: float = 0.0
    coverage_lr: float = 1e-3
    latent_lr: float = 1e-2
    imle_candidates: int = 10
    loss: Literal["nonsaturating", "hinge", "least_squares", "wasserstein", "relativistic"] = "hinge"
    label_smoothing: float = 0.0
    gradient_penalty: float = 0.0
    r1: float = 0.0
    r2: float = 0.0
    penalty_every: int = 1
    lecam: float = 0.0
    clip_weights: float = 0.0
    top_k: float = 1.0
    class_fade: tuple[float, float] = (0.0, 0.0)

    batch_size: int = 64
    accumulation: int = 1
    steps: int = 20_000
    epochs: int = 0
    n_critic: int = 1
    optimizer: str = "Adam"
    optimizer_options: dict[str, Any] = field(default_factory=lambda: {"betas": (0.0, 0.9)})
    generator_lr: float = 2e-4
    discriminator_lr: float = 2e-4
    schedule: str = "constant"
    schedule_options: dict[str, Any] = field(default_factory=dict)
    cooldown: float = 0.2
    ema_decay: float = 0.999
    augment: dict[str, float] = field(default_factory=dict)
    adaptive: int = 0
    growing: float = 0.0
    warmup: float = 0.05
    freeze_discriminator: int = 0
    tune: Literal["all", "norms", "mapping"] = "all"
    precision: Literal["auto", "bf16", "fp16", "fp32"] = "auto"
    evaluations: int = 20

    def __post_init__(self) -> None:
        check_types(self)
        for network, build in (("generator", self.generator_config), ("discriminator", self.discriminator_config)):
            try:
                build(1 if self.channels is None else self.channels, 2 if self.conditional else 0)
            except ValueError as error:
                raise ValueError(f"The recipe's {network} is refused: {error}") from error
        check_recipe(self)
        self._optimizer_class()

    def generator_config(
        self,
        channels: int,
        num_classes: int,
        source_size: tuple[int, int] | None = None,
        class_names: tuple[str, ...] | None = None,
    ) -> GeneratorConfig:
        """The generator for images of that many channels and classes."""
        return GeneratorConfig(
            image_size=self.image_size,
            channels=channels,
            num_classes=num_classes,
            resize_mode=self.resize_mode,
            source_size=source_size,
            class_names=class_names,
            **self._network(GENERATOR_FIELDS),
        )

    def discriminator_config(self, channels: int, num_classes: int) -> DiscriminatorConfig:
        """The discriminator that goes with it."""
        return DiscriminatorConfig(
            image_size=self.image_size,
            channels=channels,
            num_classes=num_classes,
            **self._network(DISCRIMINATOR_FIELDS),
        )

    def _network(self, names: dict[str, str]) -> dict[str, Any]:
        fields = {theirs: getattr(self, ours) for theirs, ours in names.items()}
        return {**fields, "max_width": max(self.max_width, fields["width"])}

    def _optimizer_class(self) -> Any:
        kind = getattr(torch.optim, self.optimizer, None)
        usable = inspect.isclass(kind) and issubclass(kind, torch.optim.Optimizer)
        if not usable or self.optimizer in ("LBFGS", "SparseAdam"):  # which want a closure, or sparse gradients
            raise ValueError(
                f"optimizer must be a class of torch.optim for dense gradients, but got {self.optimizer!r} instead."
            )
        return kind

    def new_optimizer(self, parameters: Any, lr: float) -> torch.optim.Optimizer:
        """The recipe's optimiser over parameters.

        Raises:
            ValueError: If it does not take these arguments.
        """
        kind = self._optimizer_class()
        options = dict(self.optimizer_options)
        if "fused" in inspect.signature(kind).parameters and "foreach" not in options:
            options.setdefault("fused", True)
        try:
            optimizer: torch.optim.Optimizer = kind(parameters, lr=lr, **options)
        except (TypeError, ValueError, RuntimeError, LookupError) as error:
            raise ValueError(
                f"optimizer_options must be arguments of torch.optim.{self.optimizer}, but got "
                f"{self.optimizer_options}: {error}"
            ) from error
        return optimizer

    @property
    def variations(self) -> tuple[int, int]:
        """Numbers by which samples are deformed and their tones changed."""
        anchored = self.objective == "anchored"
        return DEFORMATIONS if anchored and self.deform else 0, TONES if anchored and self.tone else 0

    @property
    def anchors_mirrored(self) -> bool:
        """Whether mirrored images are images of their own, where others are flipped at random."""
        return self.flip and self.objective != "adversarial"

    @property
    def adversarial(self) -> bool:
        """Whether a discriminator takes part, if only in the end."""
        return self.objective == "adversarial" or self.coverage < 1

    def total_steps(self, count: int) -> int:
        """Steps of the generator over ``count`` images."""
        if not self.epochs:
            return self.steps
        return max(math.ceil(self.epochs * count / (self.batch_size * self.n_critic)), 1)

    def to_dict(self) -> dict[str, Any]:
        """The recipe as JSON can hold it."""
        return dict(as_json(dataclasses.asdict(self)))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Recipe:
        """The inverse of :meth:`to_dict`; also through JSON.

        Raises:
            ValueError: If a field is missing or unknown, or its value is refused.
        """
        names = {each.name for each in dataclasses.fields(cls)}
        if set(values) != names:
            raise ValueError(f"A recipe has other fields: {sorted(set(values) ^ names)} missing or unknown.")
        fields: dict[str, Any] = {key: from_json(value) for key, value in values.items()}
        return cls(**fields)


def as_json(value: Any) -> Any:
    """Tuples as lists, at any depth."""
    if isinstance(value, dict):
        return {key: as_json(each) for key, each in value.items()}
    return [as_json(each) for each in value] if isinstance(value, (tuple, list)) else value


def from_json(value: Any) -> Any:
    """Lists as tuples, at any depth."""
    if isinstance(value, dict):
        return {key: from_json(each) for key, each in value.items()}
    return tuple(map(from_json, value)) if isinstance(value, (tuple, list)) else value
