import pytest

from vlfeedback.errors import UnknownNameError
from vlfeedback.models.reward.fit import RewardTraining
from vlfeedback.offline.learners import LearnerInputs, get_learner, list_learners
from vlfeedback.offline.presets import PRESETS, get_preset


def test_the_numbers_of_vlp_are_those_it_prints() -> None:
    iql = PRESETS["vlp"].settings("p-iql", 100_000)
    assert (iql["hidden"], iql["batch_size"], iql["dropout"]) == ([256, 256], 64, 0.25)
    assert (iql["expectile"], iql["weight_temp"], iql["tau"]) == (
        0.7,
        pytest.approx(1 / 0.3333, abs=1e-3),
        0.005,
    )
    cpl = PRESETS["vlp"].settings("cpl", 100_000)
    assert (cpl["alpha"], cpl["bias"], cpl["bc_coeff"], cpl["bc_steps"]) == (0.1, 0.5, 0.0, 10_000)
    assert PRESETS["vlp"].settings("ipl", 100_000)["regularisation"] == 0.5


def test_numbers_of_steps_shrink_with_the_training_and_never_grow() -> None:
    cpl = PRESETS["plare"]
    assert cpl.settings("cpl", 50_000)["bc_steps"] == 20_000
    assert cpl.settings("cpl", 5_000_000)["bc_steps"] == 200_000


def test_a_cosine_lasts_as_long_as_the_training() -> None:
    assert PRESETS["vlp"].settings("iql", 7_000)["cosine_steps"] == 7_000
    assert PRESETS["vlp"].settings("iql", 300_000)["cosine_steps"] == 300_000


def test_variants_are_their_learner_with_some_settings_changed() -> None:
    plain, with_reference = (PRESETS["cpl"].settings(name, 500_000) for name in ("cpl", "cpl-kl"))
    changed = {key for key in with_reference if with_reference[key] != plain.get(key)}
    assert changed == {"reference", "alpha", "bias", "rate_after_bc"}
    assert PRESETS["offline-rl-vlm-f"].settings("cpl-bc", 1) == {"bias": 1.0, "bc_coeff": 1.0}
    assert PRESETS["vlp"].settings("iql-d3rlpy", 1)["deterministic"] is False


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_names_learners_that_are_there(preset: str) -> None:
    assert set(PRESETS[preset].learners) <= set(list_learners())


def test_unknown_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"No preset 'vpl'\. Did you mean 'vlp'"):
        get_preset("vpl")
    with pytest.raises(UnknownNameError, match=r"No learner 'piql'\. Did you mean .*'p-iql'"):
        get_learner("piql")


def test_what_is_asked_of_presets_changes_none() -> None:
    PRESETS["vlp"].settings("iql", 10)["hidden"] = []
    assert PRESETS["vlp"].settings("iql", 10)["hidden"] == [256, 256]
    assert LearnerInputs(None, None, {}, 0).device == "cpu"


@pytest.mark.parametrize("preset", sorted(PRESETS.keys() - {"smoke"}))
def test_papers_train_p_iql_on_all_pairs_and_on_rewards_as_they_are(preset: str) -> None:
    settings = PRESETS[preset].settings("p-iql", 1000)
    assert RewardTraining(**settings["reward_training"]).validation == 0
    assert settings["reward_scale"] == "raw"


@pytest.mark.parametrize("learner", ["iql", "p-iql"])
def test_iql_of_cpls_code_and_its_forks_fits_v_first(learner: str) -> None:
    orders = {name: PRESETS[name].settings(learner, 1).get("step_order") for name in PRESETS}
    assert orders == {
        "cpl": "cpl",
        "ipl": "cpl",
        "vlp": "cpl",
        "plare": "cpl" if learner == "p-iql" else None,
        "offline-rl-vlm-f": None,
        "smoke": None,
    }


@pytest.mark.parametrize("learner", ["iql", "p-iql"])
def test_iql_of_cpls_code_has_no_terminals(learner: str) -> None:
    settings = {name: PRESETS[name].settings(learner, 1) for name in ("vlp", "cpl", "ipl")}
    assert {name: values.get("terminals") for name, values in settings.items()} == {
        "vlp": False,
        "cpl": False,
        "ipl": None,
    }


def test_one_number_of_the_reward_training_may_be_changed_without_the_others() -> None:
    settings = PRESETS["cpl"].settings("p-iql", 1, {"reward_training": {"epochs": 2}, "tau": 1.0})
    assert settings["reward_training"] == {
        "epochs": 2,
        "batch_size": 96,
        "target_accuracy": 1.0,
        "validation": 0.0,
    }
    assert settings["tau"] == 1.0
    assert PRESETS["cpl"].settings("p-iql", 1)["reward_training"]["epochs"] == 480


def test_ipls_own_policies_are_gaussian_without_dropout() -> None:
    own, vlps = (PRESETS[name].settings("ipl", 200_000) for name in ("ipl", "vlp"))
    assert (own["gaussian"], own["dropout"], own["regularisation"]) == (True, 0.0, 3.0)
    assert (own["batch_size"], own["length"], own["hidden"]) == (16, 16, [256] * 3)
    assert ("gaussian" in vlps, vlps["dropout"], vlps["regularisation"]) == (False, 0.25, 0.5)
