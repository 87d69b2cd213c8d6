"""One episode and its pictures: trajectories, and the segments cut from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float32, Int64, Shaped, UInt8

from vlfeedback.errors import DtypeError, InvalidTypeError, NeedsError, ShapeError

__all__ = ["SCATTERED", "ArrayFrames", "Frames", "Segment", "Trajectory", "rows_of"]

SCATTERED = "scattered"
"""`Trajectory.level` of one whose states are unrelated scenes: no story, no rewards."""

# Facts that files, and code of earlier releases, keep in `info` under these keys.
_FACTS: Mapping[str, str] = {
    "level": "level",
    "seed": "seed",
    "stop": "stopped_at",
    "instruction": "instruction",
    "env_options": "env_options",
}
_ARRAYS: Mapping[str, type[np.generic] | None] = {
    "observations": None,
    "actions": None,
    "env_rewards": np.float32,
    "rewards": np.float32,
    "successes": np.bool_,
}
_LAST_OBSERVATION = "last_observation"  # "repeated", or not there


@runtime_checkable
class Frames(Protocol):
    """Pictures of some of a trajectory's states, in memory or on disk."""

    @property
    def times(self) -> Int64[np.ndarray, " F"]:
        """State indices in [0, L] that were rendered, ascending; state 0 is the reset."""

    def read(self, times: Sequence[int] | np.ndarray) -> UInt8[np.ndarray, "K H W 3"]:
        """Pictures of these states, in the order asked.

        Raises:
            NeedsError: one of them was never rendered.
        """


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ArrayFrames:
    """Pictures held in memory: the simplest `Frames`.

    Attributes:
        times: (F,) int64, ascending: the states that were pictured; state 0 is the reset.
        pictures: (F, H, W, 3) uint8 0-255, RGB.
    """

    times: Int64[np.ndarray, " F"]
    pictures: UInt8[np.ndarray, "F H W 3"]

    def __post_init__(self) -> None:
        check_pictures(self.pictures, 4, "pictures", "(F, H, W, 3)")
        check_length("pictures", self.pictures, len(self.times), "rendered state")
        if np.any(np.diff(self.times) <= 0):
            raise ShapeError(f"times are {self.times}; expected each state once, ascending.")

    def read(self, times: Sequence[int] | np.ndarray) -> UInt8[np.ndarray, "K H W 3"]:
        """Pictures of these states; see `Frames.read`."""
        return np.asarray(self.pictures[rows_of(self.times, times)])


def rows_of(
    rendered: Int64[np.ndarray, " F"], times: Sequence[int] | np.ndarray
) -> Int64[np.ndarray, " K"]:
    """Positions of `times` among the ascending `rendered` states.

    Raises:
        NeedsError: one of them was never rendered.
    """
    states = np.asarray(times, dtype=np.int64)
    missing = states[~np.isin(states, rendered)]
    if len(missing):
        raise NeedsError(
            f"State {missing[0]} was not rendered; this trajectory has pictures of "
            f"{len(rendered)} states {rendered[:4].tolist()} ... {rendered[-1:].tolist()}. Start "
            "segments where pictures are: pass start_multiple=7, or whatever the distance of its "
            "pictures is; or record more of them."
        )
    return np.asarray(np.searchsorted(rendered, states), dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Trajectory:
    """One episode: L actions, and the L + 1 states around them.

    Lists of numbers become arrays, float32 where they hold floats.

    Attributes:
        observations: (L + 1, ...), one before each action and one after the last.
        actions: (L, ...).
        env_rewards: (L,) float32, the environment's own, one for each action.
        rewards: (L,) float32, a source's, from relabelling; learners learn from these.
        successes: (L,) bool, whether the task is done after each action.
        terminated: the episode ended in a state whose value is zero, such as the goal.
        truncated: it was cut off, such as by a time limit, and could have gone on.
        frames: pictures of some of the states.
        task: name in `vlfeedback.tasks`, such as ``"drawer-close"``; ``""`` for none.
        id: unique among those that are used together; labels refer to it.
        info: JSON values that files keep and nothing here reads.
        level: of optimality: ``"expert"``, ``"medium"``, ``"random"`` or `SCATTERED`; ``""`` where
            it is not known.
        seed: that the environment was reset with and actions were drawn from.
        stopped_at: step from which the actor rests; L where it never did.
        instruction: what the recording says the task is.
        env_options: keyword arguments its environment was made with, JSON values; what acts in an
            environment of other ones acts somewhere else.
        last_observation_repeated: the last observation is the one before it once more, since the
            format keeps none after the last action. Of a truncated episode the last transition
            must then not be learnt from.

    Raises:
        ShapeError: there is no action, or the arrays do not belong to L actions.
        DtypeError: a list in place of an array is of something else than numbers.

    >>> trajectory = Trajectory(
    ...     observations=np.zeros((6, 3), np.float32),
    ...     actions=np.zeros((5, 2), np.float32),
    ...     successes=np.array([False, False, False, True, True]),
    ...     truncated=True,
    ...     id="reach/0",
    ... )
    >>> trajectory.first_success, trajectory.segment(1, 3)
    (3, Segment('reach/0', steps 1-4))
    """

    observations: Shaped[np.ndarray, "L1 ..."]
    actions: Shaped[np.ndarray, "L ..."]
    env_rewards: Float32[np.ndarray, " L"] | None = None
    rewards: Float32[np.ndarray, " L"] | None = None
    successes: Bool[np.ndarray, " L"] | None = None
    terminated: bool = False
    truncated: bool = False
    frames: Frames | None = None
    task: str = ""
    id: str = ""
    info: dict[str, Any] = field(default_factory=dict)
    level: str = ""
    seed: int | None = None
    stopped_at: int | None = None
    instruction: str = ""
    env_options: dict[str, Any] = field(default_factory=dict)
    last_observation_repeated: bool = False

    def __post_init__(self) -> None:
        self._take_facts_from_info()
        self._take_lists()
        length = len(self.actions)
        if length == 0:
            raise ShapeError("A trajectory needs at least one action; got none.")
        if len(self.observations) != length + 1:
            raise ShapeError(
                f"{length} actions and {len(self.observations)} observations; expected "
                f"{length + 1}: one before each action and one after the last."
            )
        times = np.arange(0) if self.frames is None else self.frames.times
        if len(times) and (times[0] < 0 or times[-1] > length):
            raise ShapeError(
                f"frames picture the states {times[0]} to {times[-1]}; {length} actions have "
                f"states 0 to {length}."
            )
        check_length("env_rewards", self.env_rewards, length, "action")
        check_length("rewards", self.rewards, length, "action")
        check_length("successes", self.successes, length, "action")

    def _take_facts_from_info(self) -> None:
        info = dict(self.info)
        for key, name in _FACTS.items():
            if key in info:
                object.__setattr__(self, name, info.pop(key))
        if _LAST_OBSERVATION in info:
            repeated = info.pop(_LAST_OBSERVATION) == "repeated"
            object.__setattr__(self, "last_observation_repeated", repeated)
        object.__setattr__(self, "info", info)

    def _take_lists(self) -> None:
        """Lists become arrays, of the types that are stated above."""
        for name, dtype in _ARRAYS.items():
            rows = getattr(self, name)
            if rows is not None and not hasattr(rows, "shape"):
                object.__setattr__(self, name, _as_array(rows, name, dtype))

    def facts(self) -> dict[str, Any]:
        """`info` together with what is known of the episode, as files keep them; JSON values."""
        values = {key: getattr(self, name) for key, name in _FACTS.items()}
        facts = {key: value for key, value in values.items() if value not in ("", None, {})}
        if self.last_observation_repeated:
            facts[_LAST_OBSERVATION] = "repeated"
        return facts | self.info

    @property
    def first_success(self) -> int | None:
        """The first step at which the task is done, if there is one and the data says so."""
        successes = self.successes
        return int(np.argmax(successes)) if successes is not None and successes.any() else None

    @property
    def rests_from(self) -> int | None:
        """The step from which the actor does nothing, if it was noted and comes before the end."""
        stop = self.stopped_at
        return stop if stop is not None and stop < len(self) else None

    def __len__(self) -> int:
        return len(self.actions)

    if not TYPE_CHECKING:  # it is not iterable, and who iterates over it wanted several

        def __iter__(self) -> NoReturn:
            raise InvalidTypeError(
                f"{self!r} is one trajectory where several are expected; pass [trajectory]."
            )

    def __repr__(self) -> str:
        frames = 0 if self.frames is None else len(self.frames.times)
        end = "terminated" if self.terminated else "truncated" if self.truncated else "open"
        return (
            f"Trajectory(id={self.id!r}, task={self.task!r}, L={len(self)}, "
            f"observations={self.observations.shape[1:]}, frames={frames}, {end})"
        )

    def segment(self, start: int, length: int) -> Segment:
        """Cut `length` steps from step `start`: the only way a trajectory is ever sliced.

        Raises:
            ShapeError: the segment does not lie inside the trajectory.
        """
        if start < 0 or length < 1 or start + length > len(self):
            raise ShapeError(
                f"Segment [{start}, {start + length}) does not lie in trajectory "
                f"{self.id!r} of {len(self)} steps; ask for a shorter or an earlier one."
            )
        return Segment(self, start, length)


@dataclass(frozen=True, slots=True, repr=False)
class Segment:
    """A view of `length` steps of a trajectory; made by `Trajectory.segment`.

    Attributes:
        trajectory: the episode.
        start: its first step.
        length: steps.
    """

    trajectory: Trajectory
    start: int
    length: int

    def __repr__(self) -> str:
        return f"Segment({self.trajectory.id!r}, steps {self.start}-{self.start + self.length})"

    def frame_times(self, stride: int) -> Int64[np.ndarray, " F"]:
        """States pictured after steps 0, stride, 2 stride ... of this segment."""
        return self.start + 1 + np.arange(0, self.length, stride, dtype=np.int64)

    def read(self, name: str, *, stride: int = 1) -> Shaped[np.ndarray, "T ..."]:
        """This segment's rows of one array of the trajectory, or every stride-th picture.

        Raises:
            NeedsError: the trajectory has no such array, or lacks one of the pictures.
        """
        array = getattr(self.trajectory, name)
        if array is None:
            raise NeedsError(
                f"The source needs {name} and trajectory {self.trajectory.id!r} has none; "
                f"record it with {name}."
            )
        if name == "frames":
            return np.asarray(array.read(self.frame_times(stride)))
        return np.asarray(array[self.start : self.start + self.length])

    def first_frame(self) -> UInt8[np.ndarray, "H W 3"]:
        """The picture of the reset that began the trajectory.

        Raises:
            NeedsError: that picture was not taken.
        """
        frames = self.trajectory.frames
        if frames is None or 0 not in frames.times:
            raise NeedsError(
                f"The source needs the picture of the reset and trajectory {self.trajectory.id!r} "
                "has none; record it with the picture of state 0."
            )
        return np.asarray(frames.read([0])[0])


def _as_array(rows: Any, name: str, dtype: type[np.generic] | None) -> np.ndarray:
    """Numbers of Python as an array; of floats, float32."""
    try:
        array = np.asarray(rows, dtype)
    except (TypeError, ValueError) as error:
        raise ShapeError(
            f"{name} is a {type(rows).__name__} that makes no array: {error}. Expected rows of "
            "equal shape, as numpy arrays."
        ) from error
    if array.dtype.kind not in "biuf" or not array.ndim:
        raise DtypeError(
            f"{name} is a {type(rows).__name__} of {array.dtype}; expected numbers, as an array."
        )
    return array.astype(np.float32) if array.dtype == np.float64 else array


def check_pictures(pictures: np.ndarray, ndim: int, name: str, letters: str) -> None:
    """Refuse what is no stack of uint8 RGB pictures with `ndim` axes."""
    if pictures.ndim != ndim or pictures.shape[-1] != 3:
        raise ShapeError(
            f"{name} has shape {pictures.shape}; expected {letters}, RGB last. "
            + ("Add a batch axis: frames[None]." if pictures.ndim == ndim - 1 else "")
        )
    if pictures.dtype != np.uint8:
        raise DtypeError(
            f"{name} is {pictures.dtype}; sources take uint8 0-255 and do their own scaling. "
            "Convert pictures in [0, 1] with (frames * 255).round().astype(np.uint8)."
        )


def check_length(name: str, rows: Sized | None, length: int, of: str) -> None:
    """Refuse an array that is there and has another number of rows."""
    if rows is not None and len(rows) != length:
        raise ShapeError(f"{name} has {len(rows)} rows; expected {length}, one per {of}.")
