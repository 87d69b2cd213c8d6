"""Where pictures may be taken: in one thread, not after a fork; and what is never copied."""

import copy
import pickle
import threading
from typing import Any

import numpy as np
import pytest
from tests.warm_python import python

pytest.importorskip("metaworld")

from vlfeedback.errors import InvalidTypeError, RenderError
from vlfeedback_envs.metaworld import MetaWorldView


def view() -> MetaWorldView:
    made = MetaWorldView("reach", size=32, render_mode="rgb_array")
    made.reset(seed=0)
    return made


def in_another_thread(work: Any) -> list[Any]:
    """What `work` gives, or raises, in a thread of its own."""
    answers: list[Any] = []

    def run() -> None:
        try:
            answers.append(work())
        except RenderError as error:
            answers.append(error)

    thread = threading.Thread(target=run, name="another")
    thread.start()
    thread.join()
    return answers


def test_a_second_thread_is_refused_and_the_first_goes_on() -> None:
    env = view()
    first = env.render()
    (error,) = in_another_thread(env.render)
    assert isinstance(error, RenderError)
    assert "MainThread" in str(error) and "Thread(another" in str(error)
    assert "make an environment in each thread" in str(error)
    np.testing.assert_array_equal(env.render(), first)
    env.close()


def test_each_thread_may_have_an_environment_and_one_closed_may_move() -> None:
    env, other = view(), view()
    first = env.render()

    def draw_and_close() -> Any:
        picture = other.render()
        other.close()
        return picture

    (second,) = in_another_thread(draw_and_close)
    np.testing.assert_array_equal(second, first)
    np.testing.assert_array_equal(other.render(), first)
    env.close()
    other.close()


@pytest.mark.parametrize("rendered", [False, True])
@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_copy_is_refused_with_what_to_do(duplicate: Any, rendered: bool) -> None:
    env = view()
    if rendered:
        env.render()
    for bound in (env, env._renderer):
        with pytest.raises(InvalidTypeError, match=r"is neither pickled nor copied.*make\(env\.sp"):
            duplicate(bound)
    env.close()


FORK = """
import multiprocessing, sys
import gymnasium as gym


def answer(env, queue):
    try:
        env.reset(seed=0)
        queue.put(str(env.render().shape))
    except Exception as error:
        queue.put(f"{type(error).__name__}: {error}")
    del env

if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    id = "vlfeedback_envs:vlfeedback/mw-reach-v0"
    make = lambda: gym.make(id, render_mode="rgb_array", size=32)
    env = make()
    env.reset(seed=0)
    if sys.argv[1] != "never":
        env.render()
    if sys.argv[1] == "closed":
        env.close()
    process = context.Process(target=answer, args=(make() if sys.argv[2] == "new" else env, queue))
    process.start()
    process.join(30)
    print(process.exitcode, "" if process.exitcode is None else queue.get())
    process.kill()
"""


@pytest.mark.parametrize("before", ["open", "closed"])
@pytest.mark.parametrize("which", ["new", "same"])
def test_a_fork_of_a_process_that_rendered_is_told_to_spawn(before: str, which: str) -> None:
    answer = fork(before, which)
    assert answer.startswith("0 RenderError: This process was forked from one that had rendered")
    assert "asynchronous=True" in answer and "{'context': 'spawn'}" in answer


def test_a_fork_of_a_process_that_never_rendered_may_render() -> None:
    assert fork("never", "same") == "0 (32, 32, 3)"


def fork(*arguments: str) -> str:
    done = python("-c", FORK, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
