"""Claim: with 16 questions in flight, a model labels pairs several times faster than one by one.

A local server answers after a set time, and fails on a schedule that a seed decides: it is busy,
breaks off, answers late or in half, refuses, or says something else than a label. Our client asks
2,000 questions. Beside it, fewer questions are asked as RL-VLM-F's code asks them: one by one,
five attempts two seconds apart after any exception, then label -1, which no number gets as well.
Labels that are wrong, and pairs that are given up, are counted for both.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import openai
from measurement import PACKAGES, publish

from vlfeedback.testing.chat_server import ChatServer, Fault, Faults, Reply
from vlfeedback.types import Outcome
from vlfeedback.vlms.client.structured import choice_of
from vlfeedback.vlms.questions import Question, Turn
from vlfeedback.vlms.settings import VLMSettings
from vlfeedback.vlms.vlm import VLM

CHOICES = ("0", "1", "-1")
RATES = {
    Fault.BUSY: 0.01,
    Fault.ERROR: 0.02,
    Fault.SLOW: 0.02,
    Fault.DROPPED: 0.02,
    Fault.TRUNCATED: 0.01,
    Fault.PROSE: 0.02,
    Fault.REFUSAL: 0.02,
    Fault.THOUGHT: 0.02,
}
_ATTEMPTS, _BETWEEN_S = 5, 2.0  # RL-VLM-F's


def label(request: Any) -> Reply:
    return Reply(right_label(request["messages"][-1]["content"]))


def right_label(words: str) -> str:
    return CHOICES[int(words.removeprefix("pair ")) % 2]


def ours(server: ChatServer, pairs: list[str]) -> list[str]:
    """Labels, or the outcome where there is none."""
    settings = VLMSettings(model="any", base_url=server.url, store="none")
    questions = [Question((Turn("user", (pair,)),), prompt="throughput/1") for pair in pairs]
    with VLM(settings) as vlm:
        answers = vlm.ask(questions)
    return [
        (choice_of(answer.text, CHOICES) or Outcome.UNPARSABLE.word)
        if answer.outcome is Outcome.ANSWERED
        else answer.outcome.word
        for answer in answers
    ]


def one_by_one(server: ChatServer, pairs: list[str]) -> list[str]:
    """Labels; -1 also where there is none."""
    with openai.OpenAI(api_key="none", base_url=server.url, max_retries=0) as client:

        def ask(pair: str) -> str:
            for attempt in range(_ATTEMPTS):
                try:
                    said = client.chat.completions.create(
                        model="any", messages=[{"role": "user", "content": pair}], temperature=0
                    )
                    return (said.choices[0].message.content or "").split("\n")[0].strip()
                except Exception:
                    if attempt + 1 < _ATTEMPTS:
                        time.sleep(_BETWEEN_S)
            return "-1"

        return [said if (said := ask(pair)) in CHOICES else "-1" for pair in pairs]


def figures_of(
    client: Callable[[ChatServer, list[str]], list[str]], n: int, latency_s: float, seed: int
) -> dict[str, Any]:
    pairs = [f"pair {number}" for number in range(n)]
    faults = Faults(RATES, seed=seed, wait_s=0.5, slow_s=4 * latency_s)
    with ChatServer(otherwise=label, faults=faults, latency_s=latency_s) as server:
        wall, cpu = time.perf_counter(), time.process_time()
        labels = client(server, pairs)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    counts = Counter(
        "right" if said == right_label(pair) else "wrong" if said in ("0", "1") else said
        for pair, said in zip(pairs, labels, strict=True)
    )
    return {
        "questions": n,
        "questions per second": n / wall,
        "wall milliseconds a question": 1000 * wall / n,
        "CPU milliseconds a question, the server's included": 1000 * cpu / n,
        "requests a question": len(server.requests) / n,
        "answered twice": sum(times > 1 for times in server.answered.values()),
        "labels": dict(sorted(counts.items())),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=2000)
    parser.add_argument("--one-by-one", type=int, default=200)
    parser.add_argument("--latencies", type=float, nargs="+", default=[0.05, 0.5])
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    figures: dict[str, Any] = {}
    for latency_s in args.latencies:
        fast = figures_of(ours, args.questions, latency_s, args.seed)
        slow = figures_of(one_by_one, args.one_by_one, latency_s, args.seed)
        figures[f"answers after {latency_s:g} s"] = {
            "times faster": fast["questions per second"] / slow["questions per second"],
            "16 in flight": fast,
            "one by one, retry and sleep": slow,
        }
    publish(
        "vlm_throughput",
        claim="16 questions in flight label pairs several times faster than one by one",
        seed=args.seed,
        figures=figures,
        packages=(*PACKAGES, "openai"),
    )


if __name__ == "__main__":
    main()
