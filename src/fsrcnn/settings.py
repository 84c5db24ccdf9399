"""Every parameter of `params.yaml` as a typed, validated, immutable value.

`Params` is the whole file. It is read once a stage, so that a mistake in any section shows at the first
command. Nothing in the package reads the file; the stages pass sections on. Needs no torch.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fsrcnn.errors import InputError
from fsrcnn.limits import DEEPEST, WIDEST, Scale

DeviceName = Literal["auto", "cpu", "cuda", "mps", "npu"]
Framework = Literal["torch", "mindspore"]
DegradationName = Literal["none", "photo"]
ScheduleName = Literal["constant", "cosine", "linear"]

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
Rate = Annotated[float, Field(gt=0, le=1)]


class Settings(BaseModel):
    """Immutable settings that refuse unknown keys, wrong types and values out of range."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @classmethod
    def parse(cls, section: str, values: object) -> Self:
        """Check `values`, as YAML gave them, against this class.

        Raises `InputError` with one line that names the first offending key as `section.key`.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join([*filter(None, [section]), *map(str, first["loc"])])
            given = "" if first["type"] in {"missing", "extra_forbidden"} else f", not {first['input']!r}"
            if first["type"] == "value_error":
                raise InputError(f"params.yaml: {first['ctx']['error']}") from None
            raise InputError(f"params.yaml: {where}: {first['msg']}{given}") from None

    def changed(self, section: str, changes: dict[str, Any]) -> Self:
        """These settings with `changes` in their place, checked as `parse` does."""
        return self.parse(section, self.model_dump() | changes)


class DataSettings(Settings):
    """The `data` section: the sets of pictures, and where they come from."""

    source: Literal["published", "sample"]
    train: Annotated[list[str], Field(min_length=1)]  # names in the mirror, or paths
    evaluation: Annotated[list[str], Field(min_length=1)]  # the same
    links: Literal["fsrcnn", "srcnn"]
    mirror: str  # a folder or a base URL, "" for none; the environment variable wins
    degradation: DegradationName  # of LR in training


class ModelSettings(Settings):
    """The `model` section: the sensitive variables of section 3.3."""

    d: Annotated[int, Field(ge=1, le=WIDEST)]  # width of the feature extraction
    s: Annotated[int, Field(ge=1, le=WIDEST)]  # width of the mapping
    m: Annotated[int, Field(ge=0, le=DEEPEST)]  # depth of the mapping


class TrainSettings(Settings):
    """The `train` section."""

    optimizer: Literal["adam", "soap"]
    learning_rate: Rate
    deconvolution_lr_factor: Annotated[float, Field(gt=0, le=100)]  # times learning_rate
    weight_decay: Share  # decoupled, of weights alone: a step takes learning_rate * this of each
    loss: Literal["mse", "rmse"]  # mean over the crops of their mean squared errors, or of its roots
    schedule: ScheduleName
    warmup_steps: Annotated[int, Field(ge=0)]
    sampling: Literal["patches", "crops"]  # the published grid, or random crops with flips
    crop: Annotated[int, Field(ge=4, le=512)]  # LR side of a crop
    batch_size: Count
    epochs: Count
    steps_per_epoch: Count | None  # None: once over all patches
    ema_decay: Share  # of the weights' moving average; 0: the last weights
    validation_share: Share  # of the training photographs
    precision: Literal["float32", "bfloat16"]  # of products; weights and sums are float32
    compile: bool


class FinetuneSettings(Settings):
    """The `finetune` section; what it leaves out is as in `train`."""

    source_scale: Scale
    learning_rate: Rate
    epochs: Count
    ema_decay: Share

    def applied_to(self, train: TrainSettings) -> TrainSettings:
        """The training settings of the fine-tuning; its learning rate is the deconvolution's."""
        changes = self.model_dump(exclude={"source_scale"})
        return train.model_copy(update={**changes, "deconvolution_lr_factor": 1.0})


class BenchmarkSettings(Settings):
    """The `benchmark` section; height and width are of the low-resolution input."""

    batch_size: Count
    height: Count
    width: Count
    warmup: Annotated[int, Field(ge=0)]
    iterations: Count
    frames: Count  # of 1920x1080 output


class Recipe(Settings):
    """What a recipe puts in place of values of `train` and `finetune`."""

    train: dict[str, Any] = {}
    finetune: dict[str, Any] = {}


class Recipes(Settings):
    """The `recipes` section."""

    ours: Recipe
    reference: Recipe


class Params(Settings):
    """The whole of `params.yaml`; `train` and `finetune` are those of the chosen recipe."""

    scale: Scale
    launcher: str  # for dvc.yaml: what starts the training stages
    device: DeviceName
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    framework: Framework
    recipe: Literal["ours", "reference"]
    data: DataSettings
    model: ModelSettings
    train: TrainSettings
    finetune: FinetuneSettings
    recipes: Recipes
    benchmark: BenchmarkSettings

    @model_validator(mode="after")
    def _check_framework(self) -> Self:
        if self.framework == "mindspore" and self.recipe != "reference":
            raise ValueError("framework: mindspore has the reference recipe only; set recipe to reference")
        return self

    @classmethod
    def of_yaml(cls, values: dict[str, Any]) -> Self:
        """The file's contents, checked as a whole, with the chosen recipe in its place.

        Raises `InputError` with one line that names the first offending key.
        """
        params = cls.parse("", values)
        recipes = {
            recipe: {
                "train": params.train.changed(f"recipes.{recipe}.train", changes.train),
                "finetune": params.finetune.changed(f"recipes.{recipe}.finetune", changes.finetune),
            }
            for recipe, changes in params.recipes
        }
        return params.model_copy(update=recipes[params.recipe])
