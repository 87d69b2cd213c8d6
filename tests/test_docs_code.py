"""The Python of every page runs as it is printed, top to bottom, on less work and small data.

What a page takes for granted, such as a dataset of the reader's, is made before its first block.
"""

import importlib.util
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from tests.warm_python import python

ROOT = Path(__file__).resolve().parent.parent
# The README's runs as it is printed, in tests/behaviour/test_promises.py.
PAGES = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")} - {ROOT / "README.md"})
PLUGIN = ROOT / "tests" / "plugin"

BEFORE = {
    "CONTRIBUTING.md": "from vlfeedback.testing import BrightnessReward as MyReward",
    "cascade.md": """
        import numpy as np
        import vlfeedback
        from vlfeedback.types import ArrayFrames
        draw = np.random.default_rng(0)
        trajectories = [
            vlfeedback.Trajectory(
                observations=draw.normal(size=(61, 3)).astype(np.float32),
                actions=draw.uniform(-1, 1, (60, 2)).astype(np.float32),
                env_rewards=draw.normal(size=60).astype(np.float32),
                truncated=True,
                frames=ArrayFrames(
                    np.arange(61), draw.integers(0, 256, (61, 8, 8, 3), dtype=np.uint8)
                ),
            )
            for _ in range(3)
        ]
    """,
    "choose_a_source.md": """
        import vlfeedback
        my_source = vlfeedback.make_reward_source("picture-energy")
    """,
    "eval_labels.md": """
        from pathlib import Path
        import vlfeedback
        from vlfeedback.collecting import collect, complete_settings
        tasks = [vlfeedback.get_task(name) for name in ("drawer-close", "door-open")]
        settings = complete_settings(tasks, {"episodes": 2, "horizon": 99})
        levels = ("expert", "medium", "random")
        collect(Path("mtvlp"), tasks, settings=settings, levels=levels, workers=1)
        my_source = vlfeedback.make_reward_source("picture-energy")
    """,
    "exam.md": """
        import os, sys
        sys.path.insert(0, os.environ["ROOT_OF_TESTS"])
        from pathlib import Path
        from tests.evaluation.bench.made_sets import write_roboreward
        import vlfeedback
        write_roboreward(Path("RoboReward"))
        my_source = vlfeedback.make_reward_source("picture-energy")
    """,
    "offline.md": """
        import os, sys, warnings
        sys.path.insert(0, os.environ["ROOT_OF_TESTS"])
        os.environ["MINARI_DATASETS_PATH"] = os.getcwd()
        import gymnasium as gym, minari, numpy as np
        from minari.data_collector import EpisodeBuffer
        spaces = {
            "state": gym.spaces.Box(-9, 9, (3,), np.float32),
            "camera": gym.spaces.Box(0, 255, (40, 40, 3), np.uint8),
        }
        draw = np.random.default_rng(0)
        episodes = [
            EpisodeBuffer(
                observations={
                    "state": draw.normal(size=(61, 3)).astype(np.float32),
                    "camera": draw.integers(0, 256, (61, 40, 40, 3), dtype=np.uint8),
                },
                actions=draw.uniform(-1, 1, (60, 2)).astype(np.float32),
                rewards=draw.normal(size=60),
                terminations=[False] * 60,
                truncations=[step == 59 for step in range(60)],
                infos={},
            )
            for _ in range(4)
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            minari.create_dataset_from_buffers(
                "my/dataset-v0", episodes, observation_space=gym.spaces.Dict(spaces),
                action_space=gym.spaces.Box(-1, 1, (2,), np.float32), author="Ada",
                jpeg_encoding=False,
            )
            minari.create_dataset_from_buffers(
                "minigrid/BabyAI-Pickup/optimal-v0",
                [EpisodeBuffer(
                    observations={
                        "image": draw.integers(0, 9, (6, 7, 7, 3), dtype=np.uint8),
                        "mission": ["pick up a ball"] * 6,
                    },
                    actions=draw.integers(0, 7, 5), rewards=np.ones(5),
                    terminations=[step == 4 for step in range(5)], truncations=[False] * 5,
                    infos={},
                )],
                observation_space=gym.spaces.Dict({
                    "image": gym.spaces.Box(0, 255, (7, 7, 3), np.uint8),
                    "mission": gym.spaces.Text(99),
                }),
                action_space=gym.spaces.Discrete(7), author="Ada", jpeg_encoding=False,
            )
        from pathlib import Path
        from tests.adapters.lerobot_by_hand import lay_out
        lay_out(Path("lerobot/pusht"), cameras=("observation.image",))
        import pickle
        import vlfeedback
        from vlfeedback import adapters
        hopper = vlfeedback.Trajectory(
            observations=draw.normal(size=(301, 3)).astype(np.float32),
            actions=draw.uniform(-1, 1, (300, 2)).astype(np.float32),
            env_rewards=draw.normal(size=300).astype(np.float32),
            truncated=True,
        )
        adapters.hdf5.write("hopper_medium_replay-v2.hdf5", [hopper])
        crowd = Path("human_label/hopper-medium-replay-v2")
        crowd.mkdir(parents=True)
        said = {"indices_num1_q100": [3], "indices_2_num1_q100": [150], "label_human": [1]}
        for name, rows in said.items():
            (crowd / name).write_bytes(pickle.dumps(np.array(rows)))
    """,
    "plugins.md": f"import sys; sys.path.insert(0, {str(PLUGIN)!r})",
    "progress.md": """
        import vlfeedback
        my_source = vlfeedback.make_reward_source("picture-energy")
    """,
    "standing_still.md": """
        import numpy as np
        import vlfeedback
        from vlfeedback.offline import train_policy
        draw = np.random.default_rng(0)
        episode = vlfeedback.Trajectory(
            observations=draw.normal(size=(31, 3)).astype(np.float32),
            actions=draw.uniform(-1, 1, (30, 2)).astype(np.float32),
            rewards=draw.normal(size=30).astype(np.float32),
            truncated=True,
            level="expert",
        )
        train_policy("iql", trajectories=[episode], n_steps=2, seed=0, out="policy")
    """,
    "people.md": """
        import numpy as np
        import vlfeedback
        from vlfeedback.testing import picture_of_value
        from vlfeedback.types import ArrayFrames
        def episode(value):
            return vlfeedback.Trajectory(
                observations=np.zeros((16, 1), np.float32),
                actions=np.zeros((15, 1), np.float32),
                truncated=True,
                frames=ArrayFrames(np.array([1, 8, 15]), np.stack([picture_of_value(value)] * 3)),
                id=str(value),
            )
        pairs = [tuple(episode(value).segment(0, 15) for value in (0.2, 0.7))]
    """,
    "sources.md": """
        import gymnasium as gym, numpy as np, vlfeedback
        from PIL import Image
        Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save("drawer_closed.png")
    """,
    "vlm_labellers.md": """
        import numpy as np
        import vlfeedback
        from vlfeedback.testing import ChatServer, SimulatedJudge, picture_of_value
        from vlfeedback.types import ArrayFrames
        server = ChatServer(otherwise=SimulatedJudge())
        server._thread.daemon = True  # the page's program ends without closing it
        server.__enter__()
        def episode(value):
            return vlfeedback.Trajectory(
                observations=np.zeros((16, 1), np.float32),
                actions=np.zeros((15, 1), np.float32),
                truncated=True,
                frames=ArrayFrames(np.array([1, 8, 15]), np.stack([picture_of_value(value)] * 3)),
                id=str(value),
            )
        values = [(0.2, 0.7), (0.9, 0.3)]
        pairs = [tuple(episode(value).segment(0, 15) for value in pair) for pair in values]
    """,
    "vlms.md": """
        from vlfeedback.testing.chat_server import ChatServer, Reply
        server = ChatServer(otherwise=lambda request: Reply("yes")).__enter__()
    """,
}
LESS_WORK = {
    "sample_segment_pairs(trajectories, 400,": "sample_segment_pairs(trajectories, 4,",
    "n_steps=20_000": "n_steps=2",
    "n_steps=2_000, eval_every=1_000,": "n_steps=2, eval_every=2,",
    '{"episodes": 20, "frame_stride": 7}': '{"episodes": 3, "frame_stride": 7}',
    "sample_segment_pairs(trajectories, 100, length=14,": (
        "sample_segment_pairs(trajectories, 8, length=14,"
    ),
    'n_steps=100_000, out="runs/drawer")': (
        'n_steps=520, eval_episodes=1, horizon=120, config=__import__("vlfeedback.online")'
        ".online.FeedbackConfig(max_labels=2, random_steps=500, exploration_steps=0))"
    ),
    'n_steps=100_000,\n    out="runs/window",\n)': (
        'n_steps=520, eval_episodes=0, horizon=120, config=__import__("vlfeedback.online")'
        ".online.FeedbackConfig(max_labels=2, random_steps=500, exploration_steps=0))"
    ),
    "model.learn(50_000,": "model.learn(300,",
    "ppo.learn(50_000,": "ppo.learn(400,",
    "total_timesteps=100_000": "total_timesteps=25",
    "eval_freq=5_000": "eval_freq=20, n_eval_episodes=1",
    "HORIZON = 150": "HORIZON = 12",
    '"p-iql", runs,': '"p-iql", runs, reward_training={"epochs": 1},',
    '"p-iql", trajectories=': '"p-iql", reward_training={"epochs": 1}, trajectories=',
    'camera="corner2")': 'camera="corner2", episodes=2, n_pairs=4, horizon=60)',
    'Collection.open(Path("mtvlp")))': 'Collection.open(Path("mtvlp")), n_pairs=4)',
    '["drawer-close", "door-close"], "clips")': (
        '["drawer-close"], "clips", episodes=2, n_pairs=4, horizon=60)'
    ),
    # A model of the reader's is one of the test's.
    'base_url="http://my-server:8000/v1"': 'base_url=server.url, store="none"',
    'base_url="http://localhost:8000/v1", in_flight=32': "base_url=server.url",
    # Weights of others are not there; untrained ones of the smallest network are.
    'pretrained="openai"': 'architecture="ViT-S-32-alt", random_weights_seed=0',
    '"checkpoint": "vip.pt"': '"random_weights_seed": 0',
}


def blocks_of(page: Path) -> list[str]:
    """Python of a page, also of blocks that are set in."""
    pattern = r"^( *)```python\n(.*?)^\1```"
    found = re.findall(pattern, page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [textwrap.dedent(block) for _, block in found]


def program_of(page: Path) -> str:
    code = "\n".join([textwrap.dedent(BEFORE.get(page.name, "")), *blocks_of(page)])
    for printed, less in LESS_WORK.items():
        code = code.replace(printed, less)
    return code


@pytest.mark.parametrize(
    "page",
    [
        # Collects in seven ways.
        pytest.param(page, marks=[pytest.mark.slow] if page.name == "progress.md" else [])
        for page in PAGES
        if blocks_of(page)
    ],
    ids=lambda page: page.name,
)
def test_the_python_of_a_page_runs_from_top_to_bottom(page: Path, tmp_path: Path) -> None:
    code = program_of(page)
    for extra in re.findall(r"^from (stable_baselines3|minari)\b", code, re.MULTILINE):
        if importlib.util.find_spec(extra) is None:
            pytest.skip(f"{page.name} uses {extra}, which is not installed")
    done = python("-c", code, cwd=tmp_path, env={**os.environ, "ROOT_OF_TESTS": str(ROOT)})
    assert done.returncode == 0, done.stderr[-3000:]


def test_less_work_is_the_work_of_some_page() -> None:
    """What is no longer printed would be run in full, or not be what is printed."""
    printed = "\n".join(block for page in PAGES for block in blocks_of(page))
    assert [text for text in LESS_WORK if text not in printed] == []


def test_the_sources_of_the_page_on_plugins_pass_the_contract(tmp_path: Path) -> None:
    sources = [b for b in blocks_of(ROOT / "docs" / "plugins.md") if "def rewards" in b]
    tests = [
        f"class Test{name}(RewardSourceContract):\n"
        f"    @pytest.fixture\n    def source(self): return {name}()\n"
        for name in re.findall(r"^class (\w+Reward)\b", "\n".join(sources), re.MULTILINE)
    ]
    assert len(tests) == 2
    imports = "import pytest\nfrom vlfeedback.testing import RewardSourceContract\n"
    (tmp_path / "test_page.py").write_text("\n".join([*sources, imports, *tests]))
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_page.py"]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert re.search(r"\b1\d passed", done.stdout), done.stdout  # of two contracts
