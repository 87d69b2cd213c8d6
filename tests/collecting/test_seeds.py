import pytest

from vlfeedback.collecting import MAX_EPISODES, first_seed
from vlfeedback.tasks import METAWORLD_TASKS

LEVELS = ("expert", "medium", "random")


@pytest.mark.parametrize(
    ("task", "level", "seed", "first"),
    [
        ("assembly", "expert", 0, 0),
        ("drawer-close", "random", 0, 53_000),  # the eighteenth task: (17 * 3 + 2) * 1000
        ("window-open", "scattered", 0, 199_000),
        ("cart-pole-balance", "random", 2, 2_202_000),
    ],
)
def test_seeds_of_our_own_tasks_follow_one_another(
    task: str, level: str, seed: int, first: int
) -> None:
    assert first_seed(task, level, seed) == first


def test_no_two_tasks_levels_or_settings_share_a_seed() -> None:
    tasks = [(t, k) for t in METAWORLD_TASKS for k in (*LEVELS, "scattered")]
    tasks += [(t, k) for t in ("cart-pole-balance", "dress-sleeve") for k in LEVELS]
    tasks += [(t, k) for t in METAWORLD_TASKS for k in ("flawed", "idle")]
    tasks += [("dress-sleeve", "suboptimal")]
    tasks += [(t, k) for t in ("fold-towel", "walk") for k in LEVELS] + [("reach", "my-own")]
    firsts = [first_seed(t, k, s) for t, k in tasks for s in (0, 1)]
    assert len(set(firsts)) == (50 * 6 + 6 + 1 + 6 + 1) * 2
    assert all(first % MAX_EPISODES == 0 for first in firsts)


def test_seeds_of_other_tasks_depend_on_their_names_alone_and_fit_into_32_bits() -> None:
    assert first_seed("fold-towel", "expert", 0) == 1_571_320_000
    assert first_seed("fold-towel", "expert", 10**9) + MAX_EPISODES < 2**32
