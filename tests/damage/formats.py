"""Every kind of data file that the library reads: how one is made, and how it is read."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tests.damage.made_data import StopsAfter, episodes, labelled, minari_in, pairs, relabelled

import vlfeedback
from vlfeedback import adapters

__all__ = ["FORMATS", "Format", "register"]


@dataclass(frozen=True)
class Format:
    """One kind of file.

    Attributes:
        write: puts whole files into an empty folder.
        read: reads all that is in them; what is lazy too.
        knows: whether any change of the contents is noticed, since the format carries digests.
    """

    write: Callable[[Path], object]
    read: Callable[[Path], Any]
    knows: bool = False


FORMATS: dict[str, Format] = {}


def register(name: str, *, knows: bool = False) -> Callable[[type], type]:
    def enter(cls: type) -> type:
        FORMATS[name] = Format(cls.write, cls.read, knows)  # type: ignore[attr-defined]
        return cls

    return enter


@register("trajectories", knows=True)
class _Trajectories:
    @staticmethod
    def write(folder: Path) -> None:
        from vlfeedback.data.trajectories import write_trajectories

        write_trajectories(folder / "a.h5", episodes(16))

    @staticmethod
    def read(folder: Path) -> Any:
        from vlfeedback.data.trajectories import read_trajectories

        return read_trajectories(folder / "a.h5")


@register("trajectories-video", knows=True)
class _TrajectoriesWithVideo(_Trajectories):
    @staticmethod
    def write(folder: Path) -> None:
        from vlfeedback.data.trajectories import write_trajectories

        write_trajectories(folder / "a.h5", episodes(16), pictures="video")


@register("collection")
class _Collection:
    @staticmethod
    def write(folder: Path) -> None:
        from vlfeedback.data.collection import Collection
        from vlfeedback.data.trajectories import write_trajectories

        Collection.create(folder, {"seed": 0, "rest": True})
        write_trajectories(folder / "drawer-close" / "expert.h5", episodes())

    @staticmethod
    def read(folder: Path) -> Any:
        from vlfeedback.data.collection import Collection

        collection = Collection.open(folder)
        return collection.settings, [collection.load(task) for task in collection.tasks()]


@register("hdf5")
class _HDF5:
    @staticmethod
    def write(folder: Path) -> None:
        adapters.hdf5.write(folder / "a.hdf5", episodes())

    @staticmethod
    def read(folder: Path) -> Any:
        return list(adapters.formats.open_dataset(folder / "a.hdf5").read())


@register("npz")
class _Npz:
    @staticmethod
    def write(folder: Path) -> None:
        adapters.npz.write(folder / "a.npz", episodes())

    @staticmethod
    def read(folder: Path) -> Any:
        return list(adapters.formats.open_dataset(folder / "a.npz").read())


@register("segments")
class _Segments:
    @staticmethod
    def write(folder: Path) -> None:
        from vlfeedback.data.segment_files import write_segments_npz

        write_segments_npz(folder / "a.npz", labelled())

    @staticmethod
    def read(folder: Path) -> Any:
        from vlfeedback.data.segment_files import read_segments_npz

        dataset = read_segments_npz(folder / "a.npz")
        return dataset.labels, [(a.read("actions"), b.read("actions")) for a, b in dataset.pairs]


@register("minari")
class _Minari:
    storage = "hdf5"

    @classmethod
    def write(cls, folder: Path) -> None:
        import gymnasium as gym
        import minari
        from minari.data_collector import EpisodeBuffer

        buffers = [
            EpisodeBuffer(
                observations=episode.observations,
                actions=episode.actions,
                rewards=episode.env_rewards,
                terminations=[False] * len(episode),
                truncations=[False] * (len(episode) - 1) + [True],
                infos={"success": np.zeros((len(episode) + 1, 1))},
            )
            for episode in episodes()
        ]
        with minari_in(folder), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            minari.create_dataset_from_buffers(
                "point/a-v0",
                buffers,
                observation_space=gym.spaces.Box(-10, 10, (3,), np.float32),
                action_space=gym.spaces.Box(-1, 1, (2,), np.float32),
                author="Ada",
                data_format=cls.storage,
            )

    @staticmethod
    def read(folder: Path) -> Any:
        with minari_in(folder), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return list(adapters.minari.read("point/a-v0"))


@register("minari-arrow")
class _MinariArrow(_Minari):
    storage = "arrow"


@register("minari-parquet")
class _MinariParquet(_Minari):
    storage = "parquet"


@register("lerobot")
class _LeRobot:
    @staticmethod
    def write(folder: Path) -> None:
        from tests.adapters.lerobot_by_hand import lay_out

        lay_out(folder / "a")

    @staticmethod
    def read(folder: Path) -> Any:
        return list(adapters.lerobot.read(folder / "a"))


@register("lerobot-images")
class _LeRobotImages(_LeRobot):
    @staticmethod
    def write(folder: Path) -> None:
        from tests.adapters.lerobot_by_hand import lay_out

        lay_out(folder / "a", cameras=(), images=("observation.image",))


@register("labels", knows=True)
class _Labels:
    @staticmethod
    def write(folder: Path) -> None:
        labelled().save(folder / "a.parquet")

    @staticmethod
    def read(folder: Path) -> Any:
        return vlfeedback.PreferenceDataset.load(folder / "a.parquet", episodes()).labels


@register("labels-growing", knows=True)
class _GrowingLabels:
    @staticmethod
    def write(folder: Path) -> None:
        labeller = StopsAfter(2)
        try:
            vlfeedback.label_pairs(pairs(), labeller, batch_size=2, save_to=folder / "a.parquet")
        except KeyboardInterrupt:
            return
        raise RuntimeError("the labeller was to stop half-way")

    @staticmethod
    def read(folder: Path) -> Any:
        labels = vlfeedback.label_pairs(
            pairs(), StopsAfter(99), batch_size=2, save_to=folder / "a.parquet"
        ).labels
        return labels.prefer_second, labels.outcome, labels.labeller  # and not how long they took


@register("rewards", knows=True)
class _FinishedRewards:
    @staticmethod
    def write(folder: Path) -> None:
        for _ in relabelled(folder):
            break

    @staticmethod
    def read(folder: Path) -> Any:
        return [t.rewards for t in relabelled(folder)]


@register("instructions")
class _Instructions:
    @staticmethod
    def write(folder: Path) -> None:
        from vlfeedback.data.instruction_file import InstructionFile

        InstructionFile.create(folder / "a.json", {"model": "m"}).add("drawer-close", ["shut it"])

    @staticmethod
    def read(folder: Path) -> Any:
        from vlfeedback.data.instruction_file import InstructionFile

        file = InstructionFile.open(folder / "a.json")
        return file.provenance, file.phrases


@register("embeddings", knows=True)
class _Embeddings:
    @staticmethod
    def write(folder: Path) -> None:
        _Embeddings.read(folder)

    @staticmethod
    def read(folder: Path) -> Any:
        from vlfeedback.testing import BrightnessEmbedder

        frames = np.arange(5 * 8 * 8 * 3, dtype=np.uint8).reshape(5, 8, 8, 3)
        return vlfeedback.CachedEmbeddings(BrightnessEmbedder(), folder / "a.sqlite").embed(frames)


@register("answers")
class _Answers:
    @staticmethod
    def write(folder: Path) -> None:
        from tests.vlms.questions_by_hand import MODEL, answer, question

        from vlfeedback.vlms.ledger.store import AnswerStore

        store = AnswerStore(folder / "a.sqlite", model=MODEL)
        for i in range(20):
            asked = question(f"Is drawer {i} open?")
            store.book(answer())
            store.put(asked.key(MODEL), asked, answer(logprobs=({"Yes": -0.5, "No": -1.0},)))

    @staticmethod
    def read(folder: Path) -> Any:
        from tests.vlms.questions_by_hand import MODEL, question

        from vlfeedback.vlms.ledger.store import AnswerStore

        store = AnswerStore(folder / "a.sqlite", model=MODEL)
        asked = [question(f"Is drawer {i} open?").key(MODEL) for i in range(20)]
        answers = [store.get(key) for key in asked]
        return store.check(), answers, store.spent(), store.totals()


@register("shared-answers")
class _SharedAnswers:
    @staticmethod
    def write(folder: Path) -> None:
        from vlfeedback.vlms.ledger.store import AnswerStore

        _Answers.write(folder)
        AnswerStore(folder / "a.sqlite").export(folder / "a.parquet")
        (folder / "a.sqlite").unlink()
        for rest in folder.glob("a.sqlite-*"):
            rest.unlink()

    @staticmethod
    def read(folder: Path) -> Any:
        from vlfeedback.vlms.ledger.answer_files import read_answer_rows

        return list(read_answer_rows(folder / "a.parquet"))


@register("prices")
class _Prices:
    @staticmethod
    def write(folder: Path) -> None:
        (folder / "a.toml").write_text(
            '[[price]]\nmodel = "m*"\nserver = "h"\nusd_in = 0.5\nusd_out = 1.5\n'
            "usd_image = 0.001\nuntil = 2027-06-30\n"
        )

    @staticmethod
    def read(folder: Path) -> Any:
        from vlfeedback.vlms.ledger.prices import read_prices

        return read_prices(folder / "a.toml")


@register("video")
class _Video:
    @staticmethod
    def write(folder: Path) -> None:
        from vlfeedback.data.video import write_video

        pictures = episodes(32)[0].frames
        assert pictures is not None
        write_video(folder / "a.mp4", pictures.read(range(6)), fps=10)

    @staticmethod
    def read(folder: Path) -> Any:
        from vlfeedback.data.video import read_video_episode

        return read_video_episode(folder / "a.mp4")


@register("sweep")
class _Sweep:
    @staticmethod
    def write(folder: Path) -> None:
        (folder / "a.toml").write_text(
            'claim = "it runs"\ndata = "mtvlp"\ntasks = ["drawer-close"]\nseeds = [0, 1]\n'
            "[labels.teacher]\nconfig = { flip = 0.25 }\n"
            '[learners.p-iql]\npreset = "vlp"\nsettings = { expectile = 0.9 }\n'
        )

    @staticmethod
    def read(folder: Path) -> Any:
        from vlfeedback.sweeps.specification import parse_sweep, read_table

        return str(parse_sweep(read_table(folder / "a.toml"), name="a", where="a.toml"))
