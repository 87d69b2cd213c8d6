"""`vlfeedback serve`: the page on which people compare the clips of a queue."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlfeedback.cli.output_options import folder_to_fill

if TYPE_CHECKING:
    from vlfeedback.labelling_page import Address

__all__ = ["serve"]


def serve(
    queue: Annotated[
        Path,
        typer.Argument(
            file_okay=False,
            callback=folder_to_fill,
            metavar="QUEUE",
            help="Folder that the labeller `human` was given as queue; made where it is not there.",
        ),
    ],
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen on. The default is reached from this machine alone, and "
            "through an SSH tunnel; 0.0.0.0 is reached by the whole network."
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0: any that is free.")
    ] = 8021,
    token: Annotated[
        str | None,
        typer.Option(help="What people have to bring; default: a random one that QUEUE keeps."),
    ] = None,
    no_token: Annotated[
        bool, typer.Option("--no-token", help="Whoever reaches the port may label.")
    ] = False,
) -> None:
    """Show people pairs of clips in their browsers, and keep what they say.

    Pairs come from the labeller `human`, which waits in another terminal; start either first. Each
    answer is on the disk before the next pair is shown: stop and start the two as you like.

    Several people may label at once, each in a browser of their own. No pair is shown to two of
    them, unless the labeller wants more than one answer (answers_per_pair).

    Keys on the page: left and right arrow, down arrow for equal, space for "can't tell", U to undo.

    Example: vlfeedback serve outputs/queue

    Example: vlfeedback label --data mtvlp --labeller human --set queue=outputs/queue
    --out labels.parquet
    """
    from vlfeedback.errors import InvalidValueError
    from vlfeedback.labelling_page import serve as serve_page

    if no_token and token is not None:
        raise InvalidValueError(f"--token {token} and --no-token contradict each other; give one.")
    if token == "":
        raise InvalidValueError("--token is empty; give one, or say --no-token.")
    serve_page(queue, host=host, port=port, token="" if no_token else token, announce=_announce)
    raise KeyboardInterrupt  # it returns where it was told to stop, and did so in good order


def _announce(address: Address) -> None:
    typer.echo(f"Open {address.url}")
    typer.echo(f"From another machine, run there: {address.tunnel}")
    typer.echo(f"and open {address.local_url}")
    if not address.is_private:
        who = "whoever knows the token" if address.token else "anybody"
        typer.secho(f"{who.capitalize()} in the network may label.", fg="yellow", err=True)
    typer.echo("Ctrl-C stops it; answers are kept, and the same command goes on.")
