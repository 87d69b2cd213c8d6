import pytest

import vlfeedback


@pytest.mark.parametrize("name", vlfeedback.__all__)
def test_every_public_name_is_there_and_listed(name: str) -> None:
    assert getattr(vlfeedback, name) is not None
    assert name in dir(vlfeedback)


def test_every_name_that_is_found_on_request_is_public() -> None:
    assert sorted(vlfeedback._HOME) == sorted(set(vlfeedback.__all__) - {"__version__"})


def test_another_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'make_sauce'"):
        vlfeedback.make_sauce  # noqa: B018


def test_importing_registers_every_source_on_every_task() -> None:
    import gymnasium as gym

    ids = [id for id in gym.registry if "Reward-" in id]
    assert len(ids) == len(vlfeedback.list_reward_sources()) * len(vlfeedback.list_tasks())
    assert "VLPReward-DrawerClose-v0" in ids
