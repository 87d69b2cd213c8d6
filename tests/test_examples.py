"""Every example is run as a user runs it, on less work; and reads as a user may write."""

import ast
import json
import os
import re
from pathlib import Path

import av
import matplotlib.image
import numpy as np
import pytest
from tests.warm_python import python

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*.py"))
LONGEST = 149  # lines: what one sitting reads
SMALL_CLIP = "ViT-S-32-alt"

every_example = pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)


def run(name: str, *arguments: str) -> str:
    """What an example prints; pictures and progress bars need no terminal."""
    script = EXAMPLES / f"{name}.py"
    finished = python(script, *arguments, env={**os.environ, "COLUMNS": "120"})
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """Output and folder of one short demonstration."""
    out = tmp_path_factory.mktemp("demo")
    printed = run("01_demo", "--steps", "20", "--clip", SMALL_CLIP, "--out", str(out))
    return printed, out


def test_the_demo_prints_the_return_of_each_policy_under_each_source(
    demo: tuple[str, Path],
) -> None:
    printed, _ = demo
    assert re.search(r"policy\W+VLP\W+CLIP\W+Env", printed)
    for policy in ("expert", "half-way stop", "random"):
        (row,) = re.findall(rf"^\W+{policy} (.*)$", printed, flags=re.MULTILINE)
        assert len(re.findall(r"-?\d+\.\d", row)) == 3


def test_the_demo_says_which_policy_each_source_ranks_first(demo: tuple[str, Path]) -> None:
    printed, _ = demo
    columns = [
        np.array([float(number) for number in re.findall(r"-?\d+\.\d+", row)])
        for row in re.findall(r"^\W+(?:expert|half-way stop|random) (.*)$", printed, re.MULTILINE)
    ]
    (ranked,) = re.findall(r"^\W+ranked first(.*)$", printed, flags=re.MULTILINE)
    named = re.findall(r"expert|half-way stop|random", ranked)
    policies = ["expert", "half-way stop", "random"]
    assert len(named) == 3
    for source, first in enumerate(named):
        returns = [column[source] for column in columns]
        assert returns[policies.index(first)] == max(returns)


def test_the_demo_says_that_random_weights_know_nothing_and_what_to_run_next(
    demo: tuple[str, Path],
) -> None:
    printed, _ = demo
    assert "random weights here and knows nothing" in printed
    for command in re.findall(r"examples/\w+\.py", printed):
        assert (EXAMPLES.parent / command).is_file()
    assert "examples/02_swap_the_source.py" in printed


def test_the_demo_draws_a_picture(demo: tuple[str, Path]) -> None:
    picture = matplotlib.image.imread(demo[1] / "rewards.png")
    height, width, _ = picture.shape
    assert width >= 1600  # twice the width of a README
    strips = picture[height // 8 : height // 2, width // 4 :, :3]
    assert np.ptp(strips.reshape(-1, 3), axis=0).min() > 0.5  # pictures, not an empty page


def test_the_demo_writes_a_video_of_every_second_step(demo: tuple[str, Path]) -> None:
    with av.open(str(demo[1] / "rewards.mp4")) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == 10
    assert np.abs(frames[0].astype(int) - frames[-1]).mean() > 1.0  # something moves


def test_swapping_the_source_prints_a_return_for_each_name() -> None:
    printed = run("02_swap_the_source", "--steps", "10")
    returns = dict(re.findall(r"^(\w+)Reward-DrawerClose-v0\s+(-?\d+\.\d+)", printed, re.MULTILINE))
    assert list(returns) == ["VLP", "PictureEnergy", "Random", "Env"]
    assert len(set(returns.values())) == 4


def test_an_own_environment_gets_rewards_beside_its_own() -> None:
    printed = run("03_own_env", "--steps", "20")
    rows = re.findall(r"^ *(\d+) +(-?\d+\.\d+) +(-?\d+\.\d+)$", printed, flags=re.MULTILINE)
    assert [int(step) for step, _, _ in rows] == list(range(0, 20, 2))
    own = [float(reward) for _, _, reward in rows]
    assert own == sorted(own)  # the block approaches its goal
    assert len({sentence for _, sentence, _ in rows}) > 1


def test_explaining_draws_where_the_model_looks_and_when_it_is_pleased(tmp_path: Path) -> None:
    printed = run("04_explain", "--steps", "60", "--out", str(tmp_path))
    pattern = r"^(.+?) +(-?\d+\.\d+) at first, +(-?\d+\.\d+) at last$"
    rows = re.findall(pattern, printed, re.MULTILINE)
    assert [sentence for sentence, _, _ in rows] == [
        "close the drawer",
        "open the drawer",
        "open the window",
    ]
    assert len({last for _, _, last in rows}) > 1  # words matter
    for name in ("rewards.png", "attention.png"):
        assert matplotlib.image.imread(tmp_path / name).shape[1] > 1000
    with av.open(str(tmp_path / "attention.mp4")) as container:
        assert len(list(container.decode(video=0))) == 8


def test_a_dataset_without_rewards_becomes_a_policy() -> None:
    printed = run("05_relabel_and_learn", "--episodes", "1", "--steps", "20")
    means = dict(re.findall(r"^(expert|medium|random) +(-?\d+\.\d+)$", printed, re.MULTILINE))
    assert float(means["expert"]) > float(means["random"])
    assert re.search(r"succeeds in \d+% of 10 episodes after 20 steps", printed)


def test_preferences_become_a_reward_model_and_two_policies() -> None:
    printed = run("06_learn_from_preferences", "--pairs", "100", "--steps", "20")
    assert "N=100, answered=100" in printed
    (correlation,) = re.findall(r"with the true reward: (-?\d\.\d+)", printed)
    assert float(correlation) > 0.5
    returns = re.findall(r"^(p-iql|cpl) +return +(-?\d+\.\d+)", printed, re.MULTILINE)
    assert [learner for learner, _ in returns] == ["p-iql", "cpl"]


def test_policies_for_a_dataset_are_checkpoints_half_as_good_and_at_best(tmp_path: Path) -> None:
    pytest.importorskip("stable_baselines3")
    less = ["--steps", "300", "--every", "100", "--episodes", "1", "--measure", "return"]
    out = tmp_path / "sac"
    printed = run("08_policies_for_data", "--task", "cart-pole-balance", *less, "--out", str(out))
    curve = json.loads((out / "curve.json").read_text())["curve"]
    assert [row["steps"] for row in curve] == [0, 100, 200, 300]
    returns = {f"{row['steps']}": row["return"] for row in curve}
    chosen = dict(re.findall(r"^(medium|expert): after (\d+) steps", printed, re.MULTILINE))
    assert returns[chosen["expert"]] == max(returns.values())
    assert returns[chosen["medium"]] >= 2 * max(returns.values())  # of costs
    for level, steps in chosen.items():
        kept = (out / "checkpoints" / f"{steps}.zip").read_bytes()
        assert (out / f"{level}.zip").read_bytes() == kept


def test_frozen_encoders_are_asked_in_five_ways_and_goals_end_at_distance_zero() -> None:
    small = [
        "--architecture",
        SMALL_CLIP,
        "--dino-architecture",
        "vit_tiny_patch16_224.augreg_in21k",
    ]
    printed = run("07_frozen_encoders", "--steps", "40", *small)
    number = r"(-?\d+\.\d+)"
    pattern = rf"^(\S+) +(.+?) +{number} +{number} +{number} +(?:{number}|nan)$"
    rows = re.findall(pattern, printed, re.MULTILINE)
    assert [(row[0], row[1]) for row in rows] == [
        ("clip", "close the drawer"),
        ("clip", "open the drawer"),
        ("vlm_rm", "close the drawer"),
        ("vlm_rm", "close the drawer"),
        ("dino-goal", "(a picture)"),
    ]
    assert len({row[3] for row in rows}) == 5  # words, strength and encoder matter
    first, last = map(float, rows[-1][3:5])
    assert first < 0 and last == 0  # the goal is the last picture


def test_a_policy_that_stands_still_is_looked_into() -> None:
    """Each level's episodes, then four policies, two of which are cloned by weights."""
    printed = run("09_standing_still", "--steps", "20", "--episodes", "1")
    levels = re.findall(r"^\W+(expert|medium|random) \W+150 \W+(\d+)%", printed, re.MULTILINE)
    assert [name for name, _ in levels] == ["expert", "medium", "random"]
    shares = {name: int(share) for name, share in levels}
    assert shares["random"] == 0 and min(shares["expert"], shares["medium"]) > 20
    for policy in ("does nothing", "cloning, without rest"):
        assert re.search(rf"^\W+{policy}\W+\d+%\W+\d+\W+$", printed, re.MULTILINE)
    for policy in ("IQL, with rest", "IQL, without rest"):
        assert re.search(rf"^\W+{policy}\W+\d+%\W+\d+(\W+\d+%){{2}}\W+$", printed, re.MULTILINE)


def test_labels_come_from_a_stand_in_for_a_model(tmp_path: Path) -> None:
    printed = run("10_labels_from_a_vlm", "--pairs", "6", "--out", str(tmp_path))
    rows = re.findall(r"^(\S.*?) +(\d+) +([\d,]+) +(\d+)% +(\d+)%$", printed, re.MULTILINE)
    assert [row[0] for row in rows] == ["rl-vlm-f", "plare", "plare, both orders", "verifier"]
    assert int(rows[2][1]) == 2 * int(rows[1][1]) > 0  # questions
    assert all(int(row[2].replace(",", "")) > 0 for row in rows)
    assert int(rows[3][4]) >= 80  # % right
    assert re.search(r"in \d+% of its answers,\nand the same segment in both orders", printed)
    for place in ("first", "second"):
        height, width, _ = matplotlib.image.imread(tmp_path / f"{place}.png").shape
        assert width > 2 * height


def test_people_label_on_a_page_here_played_by_a_program(tmp_path: Path) -> None:
    pytest.importorskip("starlette")
    more = ["--pairs", "5", "--queue", str(tmp_path / "queue")]
    printed = run("11_labels_from_people", "--scripted", *more)
    assert re.search(r"^Open http://127\.0\.0\.1:\d+/\?token=\S+$", printed, re.MULTILINE)
    assert "PreferenceLabels(N=5, answered=5, ties=0)" in printed
    assert "right by how much light was gained: 100%" in printed
    assert "asked again: the same 5 answers" in printed
    assert len(list((tmp_path / "queue" / "clips").glob("*.png"))) > 1


def test_an_agent_learns_from_a_teachers_labels(tmp_path: Path) -> None:
    more = ["--steps", "450", "--labels", "16", "--out", str(tmp_path)]
    printed = run("12_learn_while_acting", *more)
    rows = re.findall(r"^ +([\d,]+) +(\d+)% +(-?\d+\.\d)$", printed, re.MULTILINE)
    assert [row[0] for row in rows] == ["150", "300", "450"]
    assert "session 1: 2 labels" in printed
    assert (tmp_path / "reward_model.safetensors").is_file()


def test_adapters_on_an_encoder_learn_from_a_person_who_is_rarely_asked(tmp_path: Path) -> None:
    pytest.importorskip("stable_baselines3")
    printed = run("13_prefvlm", "--steps", "700", "--out", str(tmp_path))
    rows = re.findall(r"^ +(\d) +(\d+) +(\d+)% +(\d+)% +(\d+)%$", printed, re.MULTILINE)
    assert [row[1] for row in rows] == ["40", "80", "120", "160"]
    (asked,) = re.findall(r"asked about (\d+) of 160 pairs", printed)
    assert 10 <= int(asked) <= 40
    right = dict(re.findall(r"new pairs, (frozen|trained): (\d+)%", printed))
    assert int(right["frozen"]) < 75 < int(right["trained"])
    assert (tmp_path / "adapters.safetensors").is_file()


@every_example
def test_an_example_uses_public_names_only(script: Path) -> None:
    tree = ast.parse(script.read_text(encoding="utf-8"))
    modules, names = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules.add(node.module or "")
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Attribute):
            names.add(node.attr)
    private = {n for n in names | {p for m in modules for p in m.split(".")} if n.startswith("_")}
    assert private - {"__init__", "__doc__"} == set()
    ours = {m for m in modules if m.split(".")[0] in ("vlfeedback", "vlfeedback_envs")}
    assert ours  # otherwise it shows nothing of this library
    assert {m for m in ours if m.count(".") > 1} == set()


@every_example
def test_an_example_is_short_and_opens_with_what_one_sees(script: Path) -> None:
    lines = script.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= LONGEST
    assert lines[0].startswith('"""')
    assert re.search(r"\d+ s(econds)?\b|seconds", lines[0])
