"""`help()` of a public dataclass says what each of its fields means: there is no other place."""

import dataclasses
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator

import pytest

import vlfeedback
from vlfeedback.preferences import PREFERENCE_SOURCES
from vlfeedback.rewards import REWARD_SOURCES


def packages() -> list[str]:
    """The library and its folders of modules: what one imports names from."""
    found = pkgutil.walk_packages(vlfeedback.__path__, "vlfeedback.")
    return ["vlfeedback", *(module.name for module in found if module.ispkg)]


def public_dataclasses() -> Iterator[type]:
    """Those that a package exports, and the settings of sources and labellers of ours."""
    for name in packages():
        package = importlib.import_module(name)
        for thing in (getattr(package, public) for public in getattr(package, "__all__", ())):
            if inspect.isclass(thing) and dataclasses.is_dataclass(thing):
                yield thing
    for registry in (REWARD_SOURCES, PREFERENCE_SOURCES):
        for source in registry.names():
            if registry.entry(source).target.startswith("vlfeedback."):
                yield from filter(None, [getattr(registry.load(source), "config_type", None)])


CLASSES = {f"{cls.__module__}.{cls.__qualname__}": cls for cls in public_dataclasses()}


def test_the_public_dataclasses_are_found() -> None:
    assert {
        "vlfeedback.types.batches.SourceNeeds",
        "vlfeedback.types.batches.SegmentBatch",
        "vlfeedback.types.labels.PreferenceLabels",
        "vlfeedback.types.trajectories.Trajectory",
        "vlfeedback.offline.iql.IQLConfig",
        "vlfeedback.rewards.vlm_rm.VLMRMConfig",
    } <= set(CLASSES)


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_every_field_of_a_public_dataclass_is_explained(name: str) -> None:
    documented = {
        field
        for cls in CLASSES[name].__mro__
        if cls.__module__.startswith("vlfeedback")
        for _, _, section in [(inspect.cleandoc(cls.__doc__ or "")).partition("Attributes:\n")]
        for field in re.findall(r"^    (\w+): \S", section.partition("\n\n")[0], re.MULTILINE)
    }
    ours = {
        field
        for cls in CLASSES[name].__mro__
        if cls.__module__.startswith("vlfeedback")
        for field in inspect.get_annotations(cls)
    }
    fields = {field.name for field in dataclasses.fields(CLASSES[name])} & ours
    assert {field for field in fields if not field.startswith("_")} - documented == set()
