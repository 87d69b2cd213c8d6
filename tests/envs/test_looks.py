"""Looks: pictures differ from episode to episode, and nothing else does."""

from collections.abc import Iterator

import jaxtyping
import numpy as np
import pytest

pytest.importorskip("metaworld")

from vlfeedback.errors import UnknownNameError
from vlfeedback_envs.looks import Look, draw_look, texture_of
from vlfeedback_envs.metaworld import MetaWorldView
from vlfeedback_envs.replay import retake
from vlfeedback_envs.scripted import rollout_level

FIELDS = {
    "cam_pos",
    "cam_quat",
    "cam_fovy",
    "light_dir",
    "light_pos",
    "light_diffuse",
    "light_specular",
    "mat_rgba",
    "geom_rgba",
}


@pytest.fixture(scope="module")
def plain() -> Iterator[MetaWorldView]:
    made = MetaWorldView("drawer-close", render_mode="rgb_array", size=48)
    yield made
    made.close()


@pytest.fixture(scope="module")
def varied() -> Iterator[MetaWorldView]:
    made = MetaWorldView("drawer-close", render_mode="rgb_array", size=48, looks="varied")
    yield made
    made.close()


def picture(view: MetaWorldView, seed: int) -> np.ndarray:
    view.reset(seed=seed)
    return np.asarray(view.render())


def look_of(view: MetaWorldView, seed: int = 0) -> Look:
    return draw_look(view.simulation.model, "corner4", np.random.default_rng(seed))


# --- what is drawn


def test_the_camera_stays_within_centimetres_and_degrees(plain: MetaWorldView) -> None:
    model = plain.simulation.model
    camera = model.camera("corner4").id
    others = np.arange(model.ncam) != camera
    for seed in range(20):
        fields = look_of(plain, seed).fields
        assert np.abs(fields["cam_pos"][camera] - model.cam_pos[camera]).max() <= 0.04  # m
        assert abs(fields["cam_fovy"][camera] - model.cam_fovy[camera]) <= 3.0  # degrees
        cosine = abs(fields["cam_quat"][camera] @ model.cam_quat[camera])  # of half the angle
        assert np.rad2deg(2 * np.arccos(min(cosine, 1.0))) <= 3.01
        np.testing.assert_allclose(np.linalg.norm(fields["cam_quat"][camera]), 1.0)
        np.testing.assert_array_equal(fields["cam_pos"][others], model.cam_pos[others])


def test_lights_come_from_elsewhere_and_are_stronger_or_weaker(plain: MetaWorldView) -> None:
    model = plain.simulation.model
    fields = look_of(plain).fields
    np.testing.assert_allclose(np.linalg.norm(fields["light_dir"], axis=1), 1.0)
    assert np.all(np.any(fields["light_dir"] != model.light_dir, axis=1))
    factors = fields["light_diffuse"] / model.light_diffuse
    assert np.all((factors >= 0.6) & (factors <= 1.4)) and len(np.unique(factors.round(6))) == 3


def test_what_has_one_colour_keeps_one_colour_and_no_more_can_be_seen_through(
    plain: MetaWorldView,
) -> None:
    model = plain.simulation.model
    fields = look_of(plain).fields
    arm = [i for i in range(model.ngeom) if model.body(model.geom_bodyid[i]).name == "right_l2"]
    colours = fields["geom_rgba"][arm, :3]
    assert len(np.unique(colours, axis=0)) == 1
    assert np.any(colours[0] != model.geom_rgba[arm[0], :3])
    for name in ("geom_rgba", "mat_rgba"):
        np.testing.assert_array_equal(fields[name][:, 3], getattr(model, name)[:, 3])
        assert fields[name].min() >= 0 and fields[name].max() <= 1


def test_a_geom_that_shows_its_material_goes_on_to_do_so(plain: MetaWorldView) -> None:
    model = plain.simulation.model
    shows = (model.geom_matid >= 0) & np.all(model.geom_rgba == [0.5, 0.5, 0.5, 1.0], axis=1)
    assert shows.any()
    assert np.all(look_of(plain).fields["geom_rgba"][shows] == [0.5, 0.5, 0.5, 1.0])


def test_a_repainted_texture_keeps_its_structure(plain: MetaWorldView) -> None:
    model = plain.simulation.model
    table = next(i for i in range(model.ntex) if model.tex(i).name == "T_table")
    own = texture_of(model, table)
    other = look_of(plain).textures[table].paint(own)
    assert other.shape == own.shape and other.dtype == np.uint8
    steps, other_steps = (np.diff(t[..., 1].astype(float), axis=1).ravel() for t in (own, other))
    assert np.corrcoef(steps, other_steps)[0, 1] > 0.8 and np.any(other != own)


# --- pictures of episodes


def test_episodes_look_different_and_the_same_seed_looks_the_same(
    varied: MetaWorldView, plain: MetaWorldView
) -> None:
    first, second, again = (picture(varied, seed) for seed in (1, 2, 1))
    np.testing.assert_array_equal(first, again)
    for other in (second, picture(plain, 1)):
        assert np.abs(first.astype(int) - other.astype(int)).mean() > 3  # of 255


def test_the_look_stays_for_the_whole_episode(varied: MetaWorldView) -> None:
    before = picture(varied, 3)
    for _ in range(3):
        varied.step(np.zeros(4, np.float32))
    after = varied.render()
    assert np.abs(before.astype(int) - np.asarray(after).astype(int)).mean() < 3


def test_nothing_but_pictures_depends_on_looks(varied: MetaWorldView, plain: MetaWorldView) -> None:
    for seed in (4, None):  # a reset without a seed goes on with the same stream of chance
        np.testing.assert_array_equal(varied.reset(seed=seed)[0], plain.reset(seed=seed)[0])
        for action in np.random.default_rng(0).uniform(-1, 1, (5, 4)).astype(np.float32):
            one, other = varied.step(action), plain.step(action)
            np.testing.assert_array_equal(one[0], other[0])
            assert one[1:3] == other[1:3]


def test_resets_without_a_seed_look_different_and_repeat_after_one(varied: MetaWorldView) -> None:
    def three_pictures() -> list[np.ndarray]:
        first = picture(varied, 5)
        rest = []
        for _ in range(2):
            varied.reset()
            rest.append(np.asarray(varied.render()))
        return [first, *rest]

    once, twice = three_pictures(), three_pictures()
    for one, other in zip(once, twice, strict=True):
        np.testing.assert_array_equal(one, other)
    assert np.any(once[0] != once[1]) and np.any(once[1] != once[2])


def test_the_model_is_left_as_it_was(varied: MetaWorldView, plain: MetaWorldView) -> None:
    picture(varied, 6)
    model, untouched = varied.simulation.model, plain.simulation.model
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(model, name), getattr(untouched, name))
    np.testing.assert_array_equal(model.tex_data, untouched.tex_data)
    np.testing.assert_array_equal(model.vis.headlight.diffuse, untouched.vis.headlight.diffuse)


def test_states_with_and_without_a_look_can_be_rendered_in_any_order(
    varied: MetaWorldView, plain: MetaWorldView
) -> None:
    own = picture(plain, 7)
    varied.reset(seed=7)
    in_a_look = varied.capture_state()
    alone = varied.render_states([in_a_look])[0]
    without = varied._renderer.capture(varied.simulation.data)  # as a plain view captures it
    pictures = varied.render_states([without, in_a_look, without])
    np.testing.assert_array_equal(pictures[0], own)
    np.testing.assert_array_equal(pictures[1], alone)
    np.testing.assert_array_equal(pictures[2], own)


def test_an_episode_is_seen_again_in_its_look(varied: MetaWorldView) -> None:
    episode = rollout_level(varied, "random", seed=8, horizon=10, frame_stride=5, frame_size=24)
    again = retake(varied, episode, frame_size=24)
    assert episode.frames is not None and again.frames is not None
    times = episode.frames.times
    np.testing.assert_array_equal(again.frames.read(times), episode.frames.read(times))


def test_unknown_looks_are_refused() -> None:
    with (
        pytest.MonkeyPatch.context() as patch,
        pytest.raises(UnknownNameError, match="looks='wild'; expected 'plain'"),
    ):
        patch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as for a user
        MetaWorldView("drawer-close", looks="wild")  # type: ignore[arg-type]
