"""People label with keys and clicks in Chromium, on a page that another process serves."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from tests.labelling_page.served import (
    GOAL,
    Browser,
    Person,
    Server,
    chromium,
    pairs,
    pairs_in_order,
)

from vlfeedback.data.label_queue import LabelQueue
from vlfeedback.preferences.human import HumanConfig, HumanLabeller
from vlfeedback.types import Outcome


def brighter(n: int) -> list[float]:
    """The labels of `pairs_in_order` by whoever prefers what is brighter."""
    return [1.0 if k % 2 else 0.0 for k in range(n)]


def test_thirty_pairs_are_labelled_by_keys_and_each_label_is_of_its_own_pair(
    browser: webdriver.Chrome, server: Server, labeller: HumanLabeller, queue: Path
) -> None:
    tickets = labeller.post(pairs_in_order(30))
    page = Browser(browser, server.url)
    page.wait("ready")
    assert page.text("instruction") == GOAL
    said = [page.say_which_is_brighter() for _ in range(30)]
    assert page.state == "waiting"
    assert page.text("progress") == "30 of 30, 30 by you"
    labels = labeller.answers(tickets)
    assert labels.answered.all()
    assert labels.prefer_second.tolist() == brighter(30)
    # The side on the screen was another one than in the pair, some of the time.
    assert 0 < sum(side == ("right" if k % 2 else "left") for k, side in enumerate(said)) < 30
    assert np.all(labels.seconds > 0)


def test_equal_and_cannot_tell_have_keys_of_their_own(
    browser: webdriver.Chrome, server: Server, labeller: HumanLabeller
) -> None:
    tickets = labeller.post(pairs_in_order(4))
    page = Browser(browser, server.url)
    for key in ("equal", "unsure", "e", "n"):
        before = page.wait("ready")
        page.press(key)
        page.wait("ready", "waiting", other_than=before)
    labels = labeller.answers(tickets)
    assert labels.outcome.tolist() == [Outcome.ANSWERED, Outcome.UNSURE] * 2
    assert labels.prefer_second[labels.answered].tolist() == [0.5, 0.5]


def test_buttons_answer_as_keys_do_and_a_key_still_works_after_a_click(
    browser: webdriver.Chrome, server: Server, labeller: HumanLabeller
) -> None:
    tickets = labeller.post(pairs_in_order(2))
    page = Browser(browser, server.url)
    before = page.wait("ready")
    browser.find_element(By.CSS_SELECTOR, "[data-said=equal]").click()
    page.wait("ready", other_than=before)
    page.press("unsure")  # Space, which would press the button again
    page.wait("waiting")
    assert labeller.answers(tickets).outcome.tolist() == [Outcome.ANSWERED, Outcome.UNSURE]


def test_undo_shows_the_last_pair_again_and_the_new_answer_counts(
    browser: webdriver.Chrome, server: Server, labeller: HumanLabeller
) -> None:
    tickets = labeller.post(pairs_in_order(3))
    page = Browser(browser, server.url)
    page.wait("ready")
    first = page.pair
    page.press("equal")
    second = page.wait("ready", other_than=first)
    page.press("undo")
    assert page.wait("ready", other_than=second) == first
    assert page.text("progress") == "0 of 3, 0 by you"
    page.press("unsure")
    page.wait("ready", other_than=first)
    assert labeller.answers(tickets).outcome.tolist() == [
        *(Outcome.UNSURE, Outcome.SKIPPED, Outcome.SKIPPED)
    ]
    page.press("undo")  # the labeller has it
    page.wait_for_text("message", "used already")
    assert page.text("progress") == "1 of 3, 1 by you"


def test_after_the_last_pair_undo_goes_back_and_new_pairs_come_by_themselves(
    browser: webdriver.Chrome, server: Server, labeller: HumanLabeller
) -> None:
    page = Browser(browser, server.url)
    page.wait("waiting")
    assert "Nothing to label right now" in page.text("waiting")
    labeller.post(pairs_in_order(1))
    page.wait("ready")
    page.press("equal")
    page.wait("waiting")
    page.press("undo")
    page.wait("ready")


def test_two_browsers_at_once_never_answer_the_same_pair(
    browser: webdriver.Chrome,
    server: Server,
    labeller: HumanLabeller,
    queue: Path,
    tmp_path: Path,
) -> None:
    tickets = labeller.post(pairs_in_order(16))
    with chromium(tmp_path / "profile") as other:
        pages = [Browser(opened, server.url) for opened in (browser, other)]
        seen: list[list[str]] = [[], []]

        def work(page: Browser, pairs_of_page: list[str]) -> None:
            while page.wait("ready", "waiting"):
                pairs_of_page.append(page.pair)
                page.say_which_is_brighter()

        threads = [
            threading.Thread(target=work, args=pair) for pair in zip(pages, seen, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(int(n) for n in seen[0] + seen[1]) == list(range(1, 17))
    assert min(map(len, seen)) > 0
    assert labeller.answers(tickets).prefer_second.tolist() == brighter(16)
    names = {said.person for (said,) in LabelQueue(queue).read_answers(tickets)}
    assert names == {"person 1", "person 2"}


def test_a_server_that_is_killed_and_started_again_has_lost_nothing(
    browser: webdriver.Chrome, labeller: HumanLabeller, queue: Path
) -> None:
    tickets = labeller.post(pairs_in_order(6))
    server = Server(queue)
    page = Browser(browser, server.url)
    page.wait("ready")
    for _ in range(3):
        page.say_which_is_brighter()
    server.kill()
    before = page.pair
    left, right = page.brightness()
    page.press("left" if left > right else "right")  # nobody is there to hear it
    page.wait_for_text("message", "nothing is lost")
    with Server(queue, port=server.port):
        page.wait("ready", other_than=before)  # it was sent again
        while page.state == "ready":
            page.say_which_is_brighter()
        assert page.text("progress") == "6 of 6, 6 by you"
    assert labeller.answers(tickets).prefer_second.tolist() == brighter(6)


def test_clips_play_in_a_loop_pause_and_go_picture_by_picture(
    browser: webdriver.Chrome, server: Server, labeller: HumanLabeller
) -> None:
    labeller.post(pairs([(0.3, 0.9)]))
    page = Browser(browser, server.url)
    page.wait("ready")
    page.press("p")
    assert page.text("pause").endswith("Play")
    page.script("played = 0; draw()")
    pixel = (
        "return ['left', 'right'].map("
        "(id) => document.getElementById(id).getContext('2d').getImageData(3, 3, 1, 1).data[0])"
    )
    seen = [sorted(page.script(pixel))]
    for key in (".", ".", ".", ","):
        page.press(key)
        seen.append(sorted(page.script(pixel)))
    ramp = [sorted(round(255 * value * n / 3) for value in (0.3, 0.9)) for n in (1, 2, 3)]
    expected = [ramp[n] for n in (0, 1, 2, 0, 2)]
    assert np.abs(np.array(seen) - np.array(expected)).max() <= 1
    page.press("p")
    assert page.text("pause").endswith("Pause")
    page.wait_until("return played < PICTURE_MS")  # it began anew


def test_a_name_is_kept_and_typing_it_answers_nothing(
    browser: webdriver.Chrome, server: Server, labeller: HumanLabeller, queue: Path
) -> None:
    tickets = labeller.post(pairs_in_order(1))
    page = Browser(browser, server.url)
    page.wait("ready")
    name = browser.find_element(By.ID, "name")
    name.send_keys(Keys.CONTROL + "a")
    name.send_keys("Anne n\n")  # e and n are answers elsewhere
    page.wait_until("return document.body.dataset.name === 'Anne n'")
    assert page.text("progress") == "0 of 1, 0 by you"
    page.press("equal")
    page.wait("waiting")
    ((answer,),) = LabelQueue(queue).read_answers(tickets)
    assert answer.person == "Anne n"


def test_where_several_people_answer_a_pair_the_page_says_how_often_they_agree(
    browser: webdriver.Chrome, server: Server, queue: Path
) -> None:
    settings = HumanConfig(queue=str(queue), answers_per_pair=2, undo_s=0.0)
    HumanLabeller(settings).post(pairs_in_order(2))
    other = Person(server.url)
    for pair in (1, 2):
        other.ask("answer", pair=pair, said="equal")
    page = Browser(browser, server.url)
    for key in ("equal", "unsure"):
        before = page.wait("ready")
        page.press(key)
        page.wait("ready", "waiting", other_than=before)
    assert page.text("agreement") == "agreement 50 % of 2"


def test_an_instruction_is_shown_as_text_whatever_it_says(
    browser: webdriver.Chrome, server: Server, labeller: HumanLabeller
) -> None:
    goal = "<img src=x onerror=\"document.title='run'\"> & close"
    labeller.post(pairs([(0.2, 0.8)], goal=goal))
    page = Browser(browser, server.url)
    page.wait("ready")
    assert page.text("instruction") == goal
    assert browser.title == "Which clip is better?"


def test_a_wrong_token_is_refused_with_an_explanation(
    browser: webdriver.Chrome, server: Server
) -> None:
    browser.get(f"{server.url}x")
    text = browser.find_element(By.TAG_NAME, "main").text
    assert text.startswith("This token is not the one of this queue.")
    assert "Open the whole address that vlfeedback serve printed" in text
