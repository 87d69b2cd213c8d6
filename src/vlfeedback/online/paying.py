"""Who pays an agent: what a learned reward is asked for, and what a payer keeps of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float32, Shaped, UInt8

from vlfeedback.online.entropy import StateEntropy
from vlfeedback.online.recording import TRAJECTORY_KEY
from vlfeedback.types import Trajectory
from vlfeedback.wrappers.frames import FRAME_KEY

__all__ = ["Ledger", "Payer", "StepReward"]


@runtime_checkable
class StepReward(Protocol):
    """What gives a transition its reward."""

    def member_rewards(
        self,
        observations: Float32[np.ndarray, "B D"],
        actions: Float32[np.ndarray, "B A"],
        pictures: Shaped[np.ndarray, "B ..."] | None,
    ) -> Float32[np.ndarray, "K B"]:
        """Rewards of steps by each member of an ensemble; their mean is paid.

        Args:
            observations: before each.
            actions: as environments take them.
            pictures: after each, as `encode` gives them; None where `picture_shape` is.
        """

    @property
    def picture_shape(self) -> tuple[int, ...] | None:
        """Of what is kept of the picture after each step; None where pictures are not read."""

    @property
    def picture_dtype(self) -> str:
        """Of the same."""

    def encode(self, pictures: UInt8[np.ndarray, "n H W 3"]) -> Shaped[np.ndarray, "n ..."]:
        """What is kept of pictures."""


@runtime_checkable
class Payer(Protocol):
    """Pays an agent by a learned reward, and knows its episodes.

    A replay buffer for algorithms that learn from one, environments for the others.
    """

    def explore(self, entropy: StateEntropy | None) -> None:
        """Pay the entropy of states, or no longer."""

    def seek_doubt(self, worth: Callable[[], float]) -> None:
        """Pay for each standard deviation over members what `worth` says at that moment."""

    def keep_pictures_for(self, reward: StepReward) -> None:
        """Make room for what `reward` reads of pictures, if it reads any."""

    def pay(self, reward: StepReward, *, relabel: bool = True) -> None:
        """Take rewards from `reward` from now on, and for what is kept."""

    def take_finished(self) -> list[Trajectory]:
        """Episodes that ended since the last call."""

    def take_learned_returns(self) -> list[float]:
        """Sums of learned rewards, as they were paid, of those episodes."""

    def paid(self) -> tuple[Float32[np.ndarray, " B"], Float32[np.ndarray, " B"]]:
        """Learned rewards that are kept, and the environment's own of the same steps."""

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """All of this but the reward itself: arrays and JSON values."""

    def restore(self, arrays: dict[str, np.ndarray], notes: dict[str, Any]) -> None:
        """Go back to a `state`."""


class Ledger:
    """Who pays, the latest picture of each environment, and what running episodes have earned.

    Args:
        n_envs: environments that act together.

    Attributes:
        pays: gives rewards; None: nothing is paid.
        seen: (n_envs, ...) the latest pictures, as `StepReward.encode` gives them; None where none
            are read.
        earned: (n_envs,) of each running episode.
        finished: episodes that have ended.
        returns: what those earned.
    """

    def __init__(self, n_envs: int) -> None:
        self.pays: StepReward | None = None
        self.seen: np.ndarray | None = None
        self.earned = np.zeros(n_envs)
        self.finished: list[Trajectory] = []
        self.returns: list[float] = []
        self._reads: StepReward | None = None

    def read_for(self, reward: StepReward, shape: Sequence[int]) -> None:
        """Keep pictures as `reward` reads them, of this shape."""
        self._reads = reward
        self.seen = np.zeros((len(self.earned), *shape), np.dtype(reward.picture_dtype))

    def look(self, infos: Sequence[dict[str, Any]]) -> None:
        """Keep new pictures; between two of them the last one holds."""
        if self._reads is None or self.seen is None:
            return
        rows = [row for row, info in enumerate(infos) if FRAME_KEY in info]
        if rows:
            pictures = np.stack([infos[row][FRAME_KEY] for row in rows])
            self.seen[rows] = self._reads.encode(pictures)

    def rewards(
        self,
        observations: Shaped[np.ndarray, "B ..."],
        actions: Float32[np.ndarray, "B A"],
        pictures: Shaped[np.ndarray, "B ..."] | None,
    ) -> tuple[Float32[np.ndarray, " B"], Float32[np.ndarray, " B"]]:
        """Mean over members, and standard deviation; 0 where nothing is paid."""
        if self.pays is None:
            nothing = np.zeros(len(actions), dtype=np.float32)
            return nothing, nothing
        flat = observations.reshape(len(actions), -1).astype(np.float32, copy=False)
        members = self.pays.member_rewards(flat, actions, pictures)
        return members.mean(axis=0), members.std(axis=0)

    def enter(
        self,
        learned: Float32[np.ndarray, " n"],
        ended: Bool[np.ndarray, " n"],
        infos: Sequence[dict[str, Any]],
    ) -> None:
        """Count a step of each environment."""
        self.earned += learned
        for row, (is_last, info) in enumerate(zip(ended, infos, strict=True)):
            if is_last:
                self.returns.append(float(self.earned[row]))
                self.earned[row] = 0.0
            if TRAJECTORY_KEY in info:
                self.finished.append(info[TRAJECTORY_KEY])

    def take_finished(self) -> list[Trajectory]:
        """Episodes that ended since the last call."""
        finished, self.finished = self.finished, []
        return finished

    def take_returns(self) -> list[float]:
        """What they earned."""
        returns, self.returns = self.returns, []
        return returns
