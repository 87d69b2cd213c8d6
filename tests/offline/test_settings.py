"""Settings by name: what is of a setting's kind, and what else one takes."""

from pathlib import Path
from typing import Any

import d3rlpy
import numpy as np
import pytest

from vlfeedback.encoders import bfloat16
from vlfeedback.errors import InvalidTypeError, InvalidValueError
from vlfeedback.models.reward.training import RewardTraining
from vlfeedback.offline import CPLConfig, IPLConfig, IQLConfig
from vlfeedback.offline.settings import configured


@pytest.mark.parametrize("value", [True, False, "auto"])
def test_bfloat16_is_yes_or_no_or_what_is_faster(
    value: bool | str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bfloat16, "bfloat16_speedup", lambda device: 2.0)
    config_types: tuple[Any, ...] = (CPLConfig, IPLConfig, IQLConfig)
    for config_type in config_types:
        config = configured(config_type, {"bfloat16": value, "hidden": [8]})
        assert config.bfloat16 is value or config.bfloat16 == value
        algo = config.create()
        algo.create_impl((3,), 2)
        assert algo.impl.modules.policy.mlp.in_bfloat16 == bool(value)
        algo.save(str(tmp_path / "policy.d3"))
        again = d3rlpy.load_learnable(str(tmp_path / "policy.d3"))
        assert again.config.bfloat16 == value
        assert again.predict(np.zeros((1, 3), np.float32)).shape == (1, 2)
    assert configured(RewardTraining, {"bf16": value}).bf16 == value


def test_on_a_machine_that_is_slower_in_bfloat16_auto_is_float32(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bfloat16, "bfloat16_speedup", lambda device: 1 / 17)
    algo = CPLConfig(bfloat16="auto", hidden=[8]).create()
    algo.create_impl((3,), 2)
    assert not algo.impl.modules.policy.mlp.in_bfloat16


def test_another_word_is_refused() -> None:
    with pytest.raises(
        InvalidTypeError, match=r"'bfloat16' of CPLConfig is 2, a int; expected .*bool"
    ):
        configured(CPLConfig, {"bfloat16": 2})
    with pytest.raises(InvalidValueError, match="bfloat16='yes'; expected True, False or 'auto'"):
        configured(CPLConfig, {"bfloat16": "yes"})
