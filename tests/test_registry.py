from argparse import ArgumentParser
from collections import Counter

import pytest

from vlfeedback import registry as registry_module
from vlfeedback.errors import InvalidValueError, MissingExtraError, UnknownNameError
from vlfeedback.registry import Entry, Registry
from vlfeedback.types.released import Released


class Point:
    """What `EntryPoint` of importlib.metadata shows of itself."""

    def __init__(self, name: str, value: str, distribution: str) -> None:
        self.name = name
        self.value = value
        self.dist = type("Distribution", (), {"name": distribution})()


def make_registry(*built_ins: Entry) -> Registry[object]:
    return Registry("shape", group="shapes", listed_by="shapes list", built_ins=built_ins)


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> list[Point]:
    """Entry points that will be found; a test appends to it."""
    found: list[Point] = []
    monkeypatch.setattr(registry_module, "entry_points", lambda group: list(found))
    return found


def test_names_are_sorted_and_include_plugins(plugins: list[Point]) -> None:
    plugins.append(Point("cube", "cubes:Cube", "cubes"))
    assert make_registry(Entry("square", "a:B"), Entry("circle", "a:C")).names() == [
        "circle",
        "cube",
        "square",
    ]


def test_nothing_is_imported_before_load(plugins: list[Point]) -> None:
    registry = make_registry(Entry("square", "no.such.module:Square"))
    assert registry.entry("square").target == "no.such.module:Square"
    with pytest.raises(ModuleNotFoundError):
        registry.load("square")


def test_entry_points_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[str] = []

    def entry_points(group: str) -> list[Point]:
        reads.append(group)
        return []

    monkeypatch.setattr(registry_module, "entry_points", entry_points)
    registry = make_registry()
    assert reads == []
    registry.names()
    registry.names()
    assert reads == ["shapes"]


def test_a_class_is_loaded_by_its_target(plugins: list[Point]) -> None:
    plugins.append(Point("parser", "argparse:ArgumentParser", "standard"))
    registry = make_registry(Entry("counter", "collections:Counter"))
    assert registry.load("counter") is Counter
    assert registry.load("parser") is ArgumentParser


def test_capitals_hyphens_and_underscores_do_not_matter(plugins: list[Point]) -> None:
    registry = make_registry(Entry("big-square", "a:B"))
    assert registry.entry("Big_Square").name == "big-square"


def test_an_unknown_name_suggests_the_nearest_and_the_command_that_lists_all(
    plugins: list[Point],
) -> None:
    registry = make_registry(Entry("square", "a:B"), Entry("circle", "a:C"))
    with pytest.raises(
        UnknownNameError,
        match=r"No shape 'sqr'\. Did you mean 'square'\? `shapes list` shows all 2\.",
    ):
        registry.entry("sqr")


def test_a_name_like_no_other_gets_no_suggestion(plugins: list[Point]) -> None:
    with pytest.raises(UnknownNameError, match=r"No shape 'xyz'\. `shapes list`"):
        make_registry(Entry("square", "a:B")).load("xyz")


def test_a_built_in_without_its_package_names_the_extra(plugins: list[Point]) -> None:
    registry = make_registry(Entry("square", "no_such_package:Square", extra="vision"))
    with pytest.raises(MissingExtraError, match=r'pip install "vlfeedback\[vision\]"') as caught:
        registry.load("square")
    assert isinstance(caught.value.__cause__, ImportError)


@pytest.mark.parametrize("value", ["no_such_package:Cube", "collections:Cube", "collections"])
def test_a_broken_plugin_names_its_distribution_and_keeps_the_cause(
    plugins: list[Point], value: str
) -> None:
    plugins.append(Point("cube", value, "bad-cubes"))
    registry = make_registry(Entry("square", "a:B"))
    assert registry.names() == ["cube", "square"]
    with pytest.raises(MissingExtraError, match="'bad-cubes' is broken") as caught:
        registry.load("cube")
    assert isinstance(caught.value.__cause__, ImportError | AttributeError)


@pytest.mark.parametrize("name", ["square", "Square"])
def test_a_plugin_with_the_name_of_a_built_in_is_listed_once_and_refused(
    plugins: list[Point], name: str
) -> None:
    plugins.append(Point(name, "cubes:Square", "cubes"))
    registry = make_registry(Entry("square", "a:B"), Entry("dict", "builtins:dict"))
    assert registry.names() == ["dict", "square"]
    with pytest.raises(UnknownNameError, match=r"'vlfeedback' .* 'cubes'"):
        registry.load("square")
    assert registry.load("dict") is dict


def test_two_plugins_with_one_name_are_refused(plugins: list[Point]) -> None:
    plugins += [Point("my_cube", "a:Cube", "first"), Point("my-cube", "b:Cube", "second")]
    registry = make_registry()
    (name,) = registry.names()
    with pytest.raises(UnknownNameError, match=r"Two shapes .*'second'.*'first'"):
        registry.load(name)
    assert registry.entry(name).distribution == "second, first"


@pytest.mark.parametrize(
    ("name", "gym_name"),
    [
        ("my_source", "MySource"),
        ("my-source", "MySource"),
        ("brightness", "Brightness"),
        ("myCLIP", "MyCLIP"),
        ("r3m.goal", "R3mGoal"),
    ],
)
def test_the_name_in_a_gymnasium_id_is_in_capitals(name: str, gym_name: str) -> None:
    assert Entry(name, "a:B").gym_name == gym_name


def test_a_recogniser_without_a_loader_is_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"'square' has recogniser='a:b' and loader=''"):
        Entry("square", "a:B", recogniser="a:b")


def test_a_plugins_own_entry_is_completed_by_its_entry_point(
    plugins: list[Point], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Entry("big-cube", "collections:Counter", "a cube", "BigCUBE")
    monkeypatch.setattr(registry_module, "ENTRY", own, raising=False)
    plugins.append(Point("Big-CUBE", "vlfeedback.registry:ENTRY", "cubes"))
    registry = make_registry()
    assert registry.entry("big-cube").summary == ""
    full = registry.full_entry("big-cube")
    assert (full.name, full.summary, full.gym_name) == ("Big-CUBE", "a cube", "BigCUBE")
    assert full.distribution == "cubes"
    assert registry.load("big-cube") is Counter


def test_released_weights_know_the_source_they_belong_to() -> None:
    weights = Released(code_licence="", weights_licence="", parameters="1", teraflops=1.0)
    card = Entry("square", "a:B", weights=weights).weights
    assert card is not None and card.source == "square"
