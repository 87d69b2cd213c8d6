"""What the pages say of servers of models: how they differ, and how fast they are asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from results import load, machine, table

from vlfeedback.vlms.client.dialects import DIALECTS

__all__ = ["VLM_BLOCKS"]


def vlm_servers() -> str:
    """How servers differ, one row each."""
    head = [
        "`dialect`",
        "limit of tokens",
        "answers of a form",
        "log-probabilities",
        "thinking is switched off by",
        "temperature",
        "pictures",
    ]
    rows = [
        [
            f"`{dialect.name}`",
            f"`{dialect.token_fields[0]}`",
            ", ".join(f"`{kind}`" for kind in dialect.response_formats),
            "of most models" if dialect.logprobs else "none",
            f"`{json.dumps(dict(dialect.no_thinking))}`" if dialect.no_thinking else "not known",
            "not every model" if dialect.may_refuse_temperature else "yes",
            " or ".join(dialect.picture_urls),
        ]
        for dialect in DIALECTS.values()
    ]
    return "\n".join(table(head, rows))


def vlm_speed() -> str:
    """Our client against one question after another, in the same run."""
    result = load("vlm_throughput")
    head = ["", "questions a second", "one by one, as RL-VLM-F's code asks", "ratio"]
    rows = []
    for latency, figures in result["figures"].items():
        fast, slow = figures["16 in flight"], figures["one by one, retry and sleep"]
        rates = [f"{row['questions per second']:.1f}" for row in (fast, slow)]
        rows.append([latency, *rates, f"{figures['times faster']:.1f}"])
    lines = table(head, rows)
    lines += [
        "",
        f"A local server on the same machine, with faults; 16 in flight. `{result['command']}`; "
        f"{machine(result)}.",
    ]
    return "\n".join(lines)


VLM_BLOCKS: Mapping[str, Callable[[], str]] = {"vlm-servers": vlm_servers, "vlm-speed": vlm_speed}
