import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pytest

from vlfeedback import make_reward_source
from vlfeedback.errors import FileFormatError, InvalidTypeError, InvalidValueError, UnknownNameError
from vlfeedback.registry import Entry, Registry
from vlfeedback.rewards import REWARD_SOURCES, source_from_json, source_to_json
from vlfeedback.rewards.make import describe, make, rebuild
from vlfeedback.rewards.random import RandomConfig
from vlfeedback.setting_types import is_of_type
from vlfeedback.types import SourceNeeds


@dataclass(frozen=True)
class LensConfig:
    variant_field: ClassVar[str] = "glass"

    glass: str = "flint"
    sizes: list[int] = field(default_factory=lambda: [1, 2])


class Lens:
    config_type = LensConfig
    needs = SourceNeeds()

    def __init__(self, config: LensConfig, *, device: str = "cpu") -> None:
        self.config = config
        self.device = device

    def rewards(self, batch: object) -> None: ...


class WithoutRewards:
    config_type = LensConfig
    needs = SourceNeeds()


class WithoutNeeds:
    config_type = LensConfig

    def __init__(self, config: LensConfig, *, device: str = "cpu") -> None:
        self.config = config

    def rewards(self, batch: object) -> None: ...


class WithoutConfig:
    needs = SourceNeeds()

    def rewards(self, batch: object) -> None: ...


@pytest.fixture
def lenses() -> Registry[Lens]:
    built_ins = (
        Entry("lens", f"{__name__}:Lens"),
        Entry("new.lens", f"{__name__}:Lens"),
        Entry("no-rewards", f"{__name__}:WithoutRewards"),
        Entry("no-needs", f"{__name__}:WithoutNeeds"),
        Entry("no-config", f"{__name__}:WithoutConfig"),
    )
    return Registry("lens", group="no.such.group", listed_by="lenses", built_ins=built_ins)


def made(registry: Registry[Lens], source: str, **config: object) -> Lens:
    lens = make(registry, source, device="cuda:7", config=config, method="rewards")
    assert isinstance(lens, Lens)
    return lens


def test_settings_and_the_device_reach_the_source(lenses: Registry[Lens]) -> None:
    lens = made(lenses, "lens", sizes=[3])
    assert lens.config == LensConfig("flint", [3])
    assert lens.device == "cuda:7"


def test_the_variant_in_an_id_chooses_its_setting_dots_and_all(lenses: Registry[Lens]) -> None:
    assert made(lenses, "lens.crown.v2").config.glass == "crown.v2"


def test_a_name_with_a_dot_is_not_a_variant(lenses: Registry[Lens]) -> None:
    assert made(lenses, "new.lens").config.glass == "flint"


def test_a_variant_and_its_setting_together_are_refused(lenses: Registry[Lens]) -> None:
    with pytest.raises(InvalidValueError, match=r"'lens\.crown' and glass='flint' choose the same"):
        made(lenses, "lens.crown", glass="flint")


def test_a_variant_of_a_source_without_variants_is_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"'env' has no variants.* Use 'env'\."):
        make_reward_source("env.large")


def test_an_unknown_setting_suggests_the_nearest_and_lists_all(lenses: Registry[Lens]) -> None:
    with pytest.raises(
        UnknownNameError,
        match=r"'lens' has no setting 'glas'\. Did you mean 'glass'\? It has: glass, sizes\.",
    ):
        made(lenses, "lens", glas="crown")


@pytest.mark.parametrize(
    ("source", "settings", "complaint"),
    [
        ("random", {"seed": "a"}, r"'seed' of source 'random' is 'a', a str; expected int\."),
        ("random", {"seed": True}, r"'seed' of source 'random' is True, a bool; expected int\."),
        ("random", {"seed": None}, r"is None, a NoneType; expected int\."),
        ("clip", {"frame_stride": 2.5}, r"'frame_stride' .* is 2\.5, a float; expected int\."),
        ("clip", {"checkpoint": 3}, r"is 3, a int; expected str \| None\."),
        ("vlm_rm", {"alpha": "0.5"}, r"is '0\.5', a str; expected float\."),
        ("vlm_rm", {"target": [1]}, r"is \[1\], a list; expected str \| Sequence\[str\]\."),
    ],
)
def test_a_setting_of_the_wrong_type_is_refused_before_anything_is_loaded(
    source: str, settings: dict[str, object], complaint: str
) -> None:
    with pytest.raises(InvalidTypeError, match=complaint):
        make_reward_source(source, **settings)  # type: ignore[arg-type]


def test_numbers_of_numpy_and_paths_are_taken_as_what_they_stand_for(
    lenses: Registry[Lens],
) -> None:
    assert make_reward_source("random", seed=np.int64(3)).config == RandomConfig(3)  # type: ignore[attr-defined]
    assert made(lenses, "lens", glass=Path("flint.pt")).config.glass == "flint.pt"


@pytest.mark.parametrize(
    ("value", "hint", "fits"),
    [
        (1, float, True),
        (True, float, False),
        (1, bool, False),
        ([1, 2], tuple[int, int], True),
        ([1], tuple[int, int], False),
        ([1, "a"], list[int], False),
        ("ab", Sequence[str], True),
        ("ab", list[str], False),
        ({"a": 1}, dict[str, int], True),
        ({"a": "b"}, Mapping[str, int], False),
        ("c", Literal["a", "b"], True),
        (1, Literal["a", "b"], False),
        (object(), object, True),
    ],
)
def test_a_value_fits_a_hint_or_does_not(value: object, hint: object, fits: bool) -> None:
    assert is_of_type(value, hint) is fits


def test_a_source_without_settings_says_so() -> None:
    with pytest.raises(UnknownNameError, match=r"'env' has no setting 'scale'\. It has: none\."):
        make_reward_source("env", scale=2)


@pytest.mark.parametrize(
    ("source", "missing"),
    [
        ("no-rewards", r"WithoutRewards is no source: it has no `rewards`"),
        ("no-needs", r"WithoutNeeds is no source: it has no `needs`"),
        ("no-config", r"WithoutConfig is no source: its `config_type` is None"),
    ],
)
def test_a_class_that_breaks_the_rules_is_named_with_what_it_lacks(
    lenses: Registry[Lens], source: str, missing: str
) -> None:
    with pytest.raises(TypeError, match=missing):
        made(lenses, source)


def test_an_unknown_source_is_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"No reward source 'clp'\. Did you mean 'clip'"):
        make_reward_source("clp")


def test_every_built_in_is_there_under_its_gymnasium_name() -> None:
    names = {name: REWARD_SOURCES.entry(name).gym_name for name in REWARD_SOURCES.names()}
    expected = {"vlp": "VLP", "clip": "CLIP", "env": "Env", "random": "Random"}
    assert names | expected == names
    assert all(isinstance(REWARD_SOURCES.load(name), type) for name in names)


def test_a_source_survives_json() -> None:
    source = make_reward_source("random", seed=3)
    description = source_to_json(source)
    assert description == {"type": "random", "params": {"seed": 3}, "version": 1}
    assert source_from_json(description).config == RandomConfig(3)  # type: ignore[attr-defined]


def test_a_description_does_not_change_with_the_source(lenses: Registry[Lens]) -> None:
    lens = made(lenses, "lens")
    description = describe(lenses, lens)
    lens.config.sizes.append(9)
    assert description["params"] == {"glass": "flint", "sizes": [1, 2]}


def test_a_class_that_a_plugin_names_by_a_shorter_path_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alias = __name__.partition(".")[0] + ".lens_alias"
    monkeypatch.setitem(sys.modules, alias, sys.modules[__name__])
    built_ins = [Entry("lens", f"{alias}:Lens")]
    registry: Registry[Lens] = Registry("lens", group="none", listed_by="", built_ins=built_ins)
    assert describe(registry, Lens(LensConfig()))["type"] == "lens"


def test_a_class_without_a_name_cannot_go_to_json() -> None:
    with pytest.raises(UnknownNameError, match=r"Lens has no name among the reward sources"):
        source_to_json(Lens(LensConfig()))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("description", "complaint"),
    [
        ({"type": "lens"}, "expected 'type', 'params' and 'version'"),
        ({"type": "lens", "params": {}, "version": 2}, "has version 2; this release reads up to 1"),
    ],
)
def test_a_foreign_or_newer_description_is_refused(
    lenses: Registry[Lens], description: dict[str, object], complaint: str
) -> None:
    with pytest.raises(FileFormatError, match=complaint):
        rebuild(lenses, description, "cpu", method="rewards")
