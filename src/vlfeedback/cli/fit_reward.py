"""`vlfeedback fit reward`: a reward model from labelled pairs of segments."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlfeedback.cli.dataset_option import DATA_HELP, READING_HELP, copy_name, data_options
from vlfeedback.cli.fit_report import print_fit
from vlfeedback.cli.loss_bars import LossBars
from vlfeedback.cli.output_options import file_to_write
from vlfeedback.cli.settings import check_no_argument, parse_json_object, parse_settings
from vlfeedback.errors import NeedsError

if TYPE_CHECKING:
    from vlfeedback.types import EmbeddingSource

__all__ = ["fit_reward"]


def fit_reward(
    data: Annotated[str, typer.Option(help=DATA_HELP)],
    labels: Annotated[Path, typer.Option(help="Labels: a .parquet file of PreferenceDataset.")],
    out: Annotated[
        Path, typer.Option(callback=file_to_write, help="Weights file to write, *.safetensors.")
    ],
    network: Annotated[
        str, typer.Option(help="mlp, linear, cnn, resnet18 or pointnet; auto: what reads --inputs.")
    ] = "auto",
    inputs: Annotated[
        str,
        typer.Option(
            help="state-action, state, frames, embeddings or points; auto: what --network reads."
        ),
    ] = "auto",
    encoder: Annotated[
        str,
        typer.Option(help="What embeds pictures, for embeddings: a source such as vlp or clip."),
    ] = "",
    encoder_config: Annotated[
        str, typer.Option(help='Its settings as JSON, such as \'{"pretrained": "openai"}\'.')
    ] = "{}",
    members: Annotated[int, typer.Option(min=1, help="Networks of the ensemble.")] = 3,
    output: Annotated[str, typer.Option(help="tanh or linear; auto: as in the papers.")] = "auto",
    picture_size: Annotated[
        int | None, typer.Option(min=1, help="Scale pictures to squares of so many pixels.")
    ] = None,
    frame_stride: Annotated[
        int, typer.Option(min=1, help="Steps between scored pictures; 7 for `collect`'s defaults.")
    ] = 1,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Other settings of RewardModelConfig, such as n_centroids=[48,12]: key=value, "
            "repeat for several.",
        ),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the pairs, at most.")] = 200,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Pairs; by default what the papers take.")
    ] = None,
    learning_rate: Annotated[float, typer.Option(help="Of Adam.")] = 3e-4,
    target_accuracy: Annotated[
        float, typer.Option(help="Stop above this accuracy on training pairs; 1 never stops.")
    ] = 0.97,
    patience: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many passes without a gain.")
    ] = None,
    validation: Annotated[
        float, typer.Option(min=0, help="Share of the pairs held out, by trajectory; 0: none.")
    ] = 0.1,
    label_margin: Annotated[float, typer.Option(help="Soften labels by this much.")] = 0.0,
    bf16: Annotated[
        bool, typer.Option(help="Train in bfloat16 where that is faster here.")
    ] = False,
    reading: Annotated[str, typer.Option(help=READING_HELP)] = "{}",
    seed: Annotated[int, typer.Option(help="Same seed and hardware, same weights.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:1.")] = "cpu",
) -> None:
    """Train a reward model on preferences, and say how well it tells pairs apart.

    The same command goes on with a run that was cut off.

    Example: vlfeedback fit reward --data mtvlp --labels labels.parquet --out reward.safetensors
    """
    import numpy as np

    from vlfeedback.adapters.formats import open_dataset
    from vlfeedback.data.preferences import PreferenceDataset
    from vlfeedback.models.reward.fit import RewardTraining, fit_reward_model
    from vlfeedback.models.reward.networks import RewardModelConfig, inputs_read_by
    from vlfeedback.setting_types import checked_settings

    episodes = open_dataset(data, parse_json_object("--reading", reading))
    given = check_no_argument(parse_settings(settings or ()), fit_reward, of="the reward model")
    config = RewardModelConfig(
        inputs=inputs_read_by(network, embeds=bool(encoder)) if inputs == "auto" else inputs,
        network=network,
        output=output,
        picture_size=picture_size,
        frame_stride=frame_stride,
        **{
            "n_members": members,
            **checked_settings(RewardModelConfig, given, of="the reward model"),
        },
    )
    training = RewardTraining(
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        target_accuracy=target_accuracy,
        label_margin=label_margin,
        validation=validation,
        patience=patience,
        bf16="auto" if bf16 else False,
    )
    dataset = PreferenceDataset.load(labels, episodes.read())
    with LossBars() as report:
        _, fitted = fit_reward_model(
            dataset,
            config=config,
            training=training,
            rng=np.random.default_rng(seed),
            encoder=_make_encoder(encoder, encoder_config, device),
            device=device,
            report=report,
            save_to=out,
        )
    print_fit(fitted)
    relabel = ["vlfeedback", "relabel", *data_options(data, reading), "--source", "learned"]
    relabel += ["--source-config", json.dumps({"path": str(out)}), "--out", copy_name(data)]
    typer.echo(
        f"{out}: {config.n_members} networks, trained in {fitted.seconds:.0f} s. Next: "
        f"{shlex.join(relabel)}"
    )


def _make_encoder(name: str, config: str, device: str) -> EmbeddingSource | None:
    from vlfeedback.rewards import make_reward_source
    from vlfeedback.types import EmbeddingSource

    if not name:
        return None
    settings = parse_json_object("--encoder-config", config)
    check_no_argument(settings, make_reward_source, of="the encoder")
    source = make_reward_source(name, device=device, **settings)
    if not isinstance(source, EmbeddingSource):
        raise NeedsError(f"--encoder {name!r} keeps no embeddings of pictures; take vlp or clip.")
    return source
