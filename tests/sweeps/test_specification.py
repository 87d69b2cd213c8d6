from pathlib import Path
from typing import Any

import pytest

from vlfeedback.data.collection import Collection
from vlfeedback.errors import FileFormatError, UnknownNameError
from vlfeedback.preferences import PREFERENCE_SOURCES
from vlfeedback.registry import Registry
from vlfeedback.rewards import REWARD_SOURCES
from vlfeedback.sweeps.runs import Feedback, expand
from vlfeedback.sweeps.specification import Evaluation, Pairs, Sweep, parse_sweep, read_table
from vlfeedback.tasks import get_task, own_task

SWEEPS = Path(__file__).parents[2] / "benchmarks" / "sweeps"
SMALL: dict[str, Any] = {
    "claim": "it runs",
    "tasks": ["drawer-close"],
    "seeds": [0, 1],
    "labels": {"teacher": {}},
    "learners": {"p-iql": {}},
}


def parse(**changes: Any) -> Sweep:
    return parse_sweep({**SMALL, **changes}, name="small", where="small.toml")


def test_a_source_or_learner_is_its_own_name_unless_another_is_given() -> None:
    sweep = parse(
        labels={"teacher": {}, "wrong": {"source": "teacher", "config": {"flip": 0.75}}},
        learners={"p-iql": {}, "greedy": {"learner": "p-iql", "settings": {"expectile": 0.9}}},
    )
    assert [(s.name, s.source, dict(s.config)) for s in sweep.labels] == [
        ("teacher", "teacher", {}),
        ("wrong", "teacher", {"flip": 0.75}),
    ]
    assert [(x.name, x.learner, dict(x.settings)) for x in sweep.learners] == [
        ("p-iql", "p-iql", {}),
        ("greedy", "p-iql", {"expectile": 0.9}),
    ]


def test_a_source_may_have_settings_and_words_for_one_task_alone() -> None:
    sweep = parse(
        tasks=["drawer-close", "door-close"],
        rewards={
            "vip-distance": {
                "config": {"checkpoint": "vip.pt", "goal": "any.png"},
                "tasks": {"drawer-close": {"goal": "drawer.png"}},
                "instructions": {"door-close": "shut it"},
            }
        },
        learners={"iql": {}},
    )
    (source,) = sweep.rewards
    assert source.config_for("drawer-close") == {"checkpoint": "vip.pt", "goal": "drawer.png"}
    assert source.config_for("door-close") == {"checkpoint": "vip.pt", "goal": "any.png"}
    assert source.instruction_for("door-close") == "shut it"
    assert source.instruction_for("drawer-close") == "close the drawer"
    drawer, door = (Feedback(task, source, None) for task in sweep.tasks)
    assert drawer.settings(sweep, {})["source"]["config"]["goal"] == "drawer.png"
    assert door.settings(sweep, {})["source"]["instruction"] == "shut it"


def test_what_is_left_out_is_the_vlp_papers_protocol() -> None:
    sweep = parse()
    assert sweep.steps == 100_000
    assert sweep.pairs == Pairs(count=100, length=50, sampler="clustered")
    assert sweep.evaluation == Evaluation(every=5000, episodes=25)
    assert sweep.learners[0].preset == "vlp"


def test_labels_meet_learners_of_preferences_and_rewards_learners_of_rewards() -> None:
    sweep = parse(
        labels={"teacher": {}, "random": {}},
        rewards={"env": {}},
        learners={"p-iql": {}, "cpl": {}, "iql": {}, "bc": {}},
        seeds=[3],
    )
    assert [run.id for run in expand(sweep)] == [
        "drawer-close_teacher_p-iql_3",
        "drawer-close_random_p-iql_3",
        "drawer-close_teacher_cpl_3",
        "drawer-close_random_cpl_3",
        "drawer-close_env_iql_3",
        "drawer-close_bc_3",
    ]


def test_a_learner_may_have_a_budget_of_its_own() -> None:
    sweep = parse(learners={"p-iql": {}, "cpl": {"steps": 7}}, steps=5, seeds=[0])
    assert [run.steps for run in expand(sweep)] == [5, 7]


def test_labels_belong_to_a_seed_and_rewards_to_all_of_them() -> None:
    sweep = parse(rewards={"env": {}}, learners={"p-iql": {}, "iql": {}})
    feedback = [run.feedback.id for run in expand(sweep) if run.feedback]
    assert feedback == [
        "drawer-close_teacher_0",
        "drawer-close_env",
        "drawer-close_teacher_1",
        "drawer-close_env",
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": [0]}, r"small.toml: no key 'seed'. Did you mean 'seeds'"),
        ({"pairs": {"counts": 5}}, r"small.toml \[pairs\]: no key 'counts'. Did you mean 'count'"),
        ({"labels": {"x": {"sauce": "vlp"}}}, r"\[labels.x\]: no key 'sauce'. Did you mean 'sour"),
        ({"tasks": ["drawer-clos"]}, "No task 'drawer-clos'. Did you mean 'drawer-close'"),
        ({"paper": {"teacher/cpl": "vlp-2/CPL"}}, "compares no 'teacher/cpl'. Did you mean 'teac"),
        ({"paper": {"teacher/p-iql": "vlp-2/P-IQ"}}, "figures 'vlp-2/P-IQ'. Did you mean 'vlp-2/P"),
    ],
)
def test_a_misspelt_name_is_refused_with_the_nearest(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UnknownNameError, match=message):
        parse(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": ["0"]}, r"seeds is \('0',\); expected a list, each a whole number"),
        ({"seeds": [0, 0]}, "seeds name 0 twice"),
        ({"seeds": [-1]}, r"seeds are \[-1\]; expected none below 0"),
        ({"tasks": []}, "tasks are empty"),
        ({"steps": True}, "steps is True; expected a whole number"),
        ({"steps": 0}, "steps is 0; expected at least 1"),
        ({"learners": {"p-iql": {"steps": 0}}}, r"\[learners.p-iql\] steps is 0; expected at"),
        ({"learners": {"p-iql": {"every": 0}}}, r"\[learners.p-iql\] every is 0; expected at"),
        ({"pairs": {"length": -1}}, r"\[pairs\] length is -1; expected at least 1"),
        ({"pairs": {"min_gap": -1}}, r"\[pairs\] min_gap is -1; expected at least 0"),
        ({"pairs": {"sampler": "best"}}, "sampler is 'best'; expected 'clustered' or 'uniform'"),
        ({"pairs": 5}, "pairs is 5; expected a table"),
        ({"evaluation": {"horizon": "long"}}, "horizon is 'long'; expected a whole number"),
        ({"learners": {}}, r"no learner; add a table such as \[learners.p-iql\]"),
        ({"learners": {"p_iql": {}}}, "'p_iql' is no name; expected letters, digits"),
        (
            {"labels": {"a": {"tasks": {"drawer-close": 3}}}},
            r"\[labels.a\]: tasks.drawer-close is 3",
        ),
        ({"labels": {"a": {"instructions": {"drawer-close": " "}}}}, "is ' '; expected a text"),
        ({"labels": {"a": {}}, "rewards": {"a": {}}}, "expected each once"),
    ],
)
def test_a_value_that_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(FileFormatError, match=message):
        parse(**changes)


def test_what_every_sweep_needs_is_asked_for() -> None:
    with pytest.raises(FileFormatError, match="claim and seeds missing"):
        parse_sweep({"tasks": ["reach"], "learners": {"bc": {}}}, name="a", where="a.toml")


def test_a_learner_without_a_source_and_a_source_without_a_learner_are_refused() -> None:
    with pytest.raises(FileFormatError, match="'iql' learns from rewards and the sweep has none"):
        expand(parse(learners={"p-iql": {}, "iql": {}}))
    with pytest.raises(FileFormatError, match="no learner uses the rewards of 'env'"):
        expand(parse(rewards={"env": {}}))


def test_a_learner_or_preset_that_does_not_exist_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"learner 'cpk'. Did you mean 'cpl-kl' or 'cpl'"):
        expand(parse(learners={"cpk": {}}))
    with pytest.raises(UnknownNameError, match=r"preset 'vip'. Did you mean 'vlp'"):
        expand(parse(learners={"p-iql": {"preset": "vip"}}))


def test_a_file_that_is_missing_or_no_toml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="No sweep file"):
        read_table(tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    for content in (b"claim = unquoted", b"\xff\xfe", b"a = " + b"[" * 100_000):
        broken.write_bytes(content)
        with pytest.raises(FileFormatError, match=r"broken.toml is no readable TOML file: "):
            read_table(str(broken))  # text is a path as well


@pytest.mark.parametrize("path", sorted(SWEEPS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_sweep_of_the_benchmarks_is_sound_and_its_comments_name_it(path: Path) -> None:
    sweep = parse_sweep(read_table(path), name=path.stem, where=str(path))
    assert expand(sweep)
    assert f"vlfeedback sweep benchmarks/sweeps/{path.name}" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted(SWEEPS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_setting_of_a_source_in_the_benchmarks_is_one_it_has(path: Path) -> None:
    sweep = parse_sweep(read_table(path), name=path.stem, where=str(path))
    for source in (*sweep.labels, *sweep.rewards):
        family = source.source if source.source in REWARD_SOURCES else source.source.split(".")[0]
        registry: Registry[Any] = REWARD_SOURCES
        if family not in registry:
            registry = PREFERENCE_SOURCES
        config: Any = getattr(registry.load(family), "config_type", None)
        known = {*config.__dataclass_fields__, "soft", "tie_margin"}
        given = {key for task in sweep.tasks for key in source.config_for(task)}
        assert given <= known, (source.name, given - known)


# Tasks of the sweep's own ----------------------------------------------------------------------

TOWEL = {"env_id": "lab:FoldTowel-v0", "instruction": "fold the towel"}


def test_a_sweep_may_bring_a_task_of_its_own() -> None:
    sweep = parse(
        tasks=["fold-towel", "reach"],
        own_tasks={"fold-towel": {**TOWEL, "success_key": "folded"}},
        labels={"teacher": {"instructions": {"fold-towel": "fold it"}}, "vlp": {}},
    )
    assert sweep.task("fold-towel").env_id == "lab:FoldTowel-v0"
    assert sweep.task("fold-towel").success_key == "folded"
    assert sweep.task("reach") == get_task("reach")
    told = [[s.instruction_for(task) for task in sweep.tasks] for s in sweep.labels]
    assert told == [["fold it", "reach the goal"], ["fold the towel", "reach the goal"]]


def test_a_result_depends_on_the_environment_of_a_sweeps_own_task() -> None:
    sweep = parse(tasks=["fold-towel", "reach"], own_tasks={"fold-towel": TOWEL}, seeds=[0])
    own, ours = (run.settings(sweep, {}) for run in expand(sweep))
    assert (own["env_id"], own["success_key"]) == ("lab:FoldTowel-v0", "success")
    assert set(own) - set(ours) == {"env_id", "success_key"}


def test_a_task_that_only_the_data_knows_is_read_from_there(tmp_path: Path) -> None:
    task = own_task("lab:FoldTowel-v0", "fold the towel", success_key="folded")
    Collection.create(tmp_path / "data", {}).note_task(task, {})
    sweep = parse(tasks=["fold-towel"], data=str(tmp_path / "data"))
    assert sweep.task("fold-towel") == task
    with pytest.raises(UnknownNameError, match="No task 'fold-socks'"):
        parse(tasks=["fold-socks"], data=str(tmp_path / "data"))


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"fold-towel": {"env_id": "A-v0"}}, r"\[own_tasks.fold-towel\]: instruction missing"),
        ({"fold-towel": 3}, r"\[own_tasks.fold-towel\] is 3; expected a table"),
        ({"fold_towel": TOWEL}, "'fold_towel' is no name"),
        ({"reach": TOWEL}, r"\[own_tasks.reach\]: there is a task of this name already"),
        (3, "own_tasks is 3; expected a table"),
    ],
)
def test_a_task_that_is_not_described_right_is_refused(own: Any, message: str) -> None:
    with pytest.raises(FileFormatError, match=message):
        parse(own_tasks=own)
