"""Claim: what VLP's labels themselves would have, learnt without an error, by `progress_share`.

Windows are ranked by a mix of the simulator's return and of how far they have got. A model that
never saw a task can know its progress and hardly the rest of its reward, so that progress alone
bounds what to expect there; it is judged as models are, on ten training tasks that are held out for
choices and on the five of the paper. No model is asked.

    vlfeedback collect --out outputs/vlp2-a --frame-stride 7 --frame-size 112
    python benchmarks/vlp_targets.py --data outputs/vlp2-a
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from measurement import publish
from vlp_trial_figures import judge_task
from vlp_trials import HELD_OUT

from vlfeedback.data.collection import Collection
from vlfeedback.models.vlp.data import EpisodeSet, load_episodes
from vlfeedback.models.vlp.network import VLPArchitecture
from vlfeedback.tasks import VLP_TEST_TASKS

GROUPS = {"held_out": HELD_OUT["strangers"], "unseen": VLP_TEST_TASKS}
FIGURES = ("random_pairs", "expert_pairs", "level_pairs", "value_order", "idling", "half_way")
SHARES = (0.0, 0.3, 0.5, 0.7, 1.0)


def judge_targets(
    episodes: EpisodeSet, tasks: Sequence[str], share: float
) -> dict[str, dict[str, float]]:
    """Figures of each task, of windows that score what they are worth."""
    windows = episodes.window(np.arange(episodes.progress.shape[1]), VLPArchitecture().n_frames)
    achieved = episodes.progress[:, windows].mean(axis=-1)
    worth = ((1 - share) * episodes.window_return + share * achieved).astype(np.float32)
    rng = np.random.default_rng(0)
    by_task = {}
    for k, task in enumerate(tasks):
        figures = judge_task(k, worth, episodes.progress, worth, episodes, rng)
        by_task[task] = {name: figures[name] for name in FIGURES}
    return by_task


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True, help="made by `vlfeedback collect`")
    args = parser.parse_args()
    collection = Collection.open(args.data)
    figures = {}
    for group, tasks in GROUPS.items():
        episodes = load_episodes(collection, tasks)
        figures[group] = {str(share): judge_targets(episodes, tasks, share) for share in SHARES}
    publish(
        "vlp_targets",
        claim="what VLP's labels themselves would have, learnt without an error",
        seed=0,
        figures=figures,
    )


if __name__ == "__main__":
    main()
