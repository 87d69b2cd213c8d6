"""What the server of the page lets in, replies and keeps; asked by HTTP, without a browser."""

from __future__ import annotations

import http.client
import json
import urllib.error
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.labelling_page.served import GOAL, Person, Server, pairs_in_order

from vlfeedback.labelling_page import token_of_queue
from vlfeedback.preferences.human import HumanLabeller


def request(
    url: str, path: str, method: str = "GET", body: str = "", **headers: str
) -> tuple[int, dict[str, str], str]:
    """Status, headers and text of a reply; cookies are what the headers say."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
    connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
    response = connection.getresponse()
    text = response.read().decode(errors="replace")
    found = {name.lower(): value for name, value in response.getheaders()}
    connection.close()
    return response.status, found, text


def refusal(person: Person, question: str, **content: Any) -> tuple[int, str]:
    with pytest.raises(urllib.error.HTTPError) as refused:
        person.ask(question, **content)
    with refused.value as error:
        return error.code, json.load(error)["problem"]


def test_the_token_becomes_a_cookie_and_leaves_the_address(server: Server, queue: Path) -> None:
    status, headers, _ = request(server.url, f"/?token={token_of_queue(queue)}")
    assert (status, headers["location"]) == (303, "./")
    cookie = headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie
    status, headers, text = request(server.url, "/", Cookie=cookie.partition(";")[0])
    assert status == 200
    assert "Which clip follows this instruction better?" in text
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("path", ["/", "/api/next", "/clips/x.png", "/nothing"])
def test_without_the_token_everything_is_refused(server: Server, path: str) -> None:
    status, _, text = request(server.url, path)
    assert status == 403
    assert "This page needs a token." in text
    for wrong in ("wrong", "%C3%A9", ""):
        status, _, text = request(server.url, f"{path}?token={wrong}")
        assert status == 403
        assert "This token is not the one of this queue." in text


def test_the_token_of_a_queue_is_random_stays_and_is_its_owners_alone(tmp_path: Path) -> None:
    one, other = (token_of_queue(tmp_path / name) for name in ("one", "other"))
    assert one != other and len(one) == 24
    assert token_of_queue(tmp_path / "one") == one
    assert (tmp_path / "one" / "token").stat().st_mode & 0o777 == 0o600


def test_without_a_token_by_choice_whoever_comes_may_label(
    queue: Path, labeller: HumanLabeller
) -> None:
    labeller.post(pairs_in_order(1))
    with Server(queue, "--no-token") as server:
        assert "token" not in server.url
        assert Person(server.url).ask("next")["pair"]["number"] == 1


def test_a_token_of_ones_own_is_the_one_that_lets_in(queue: Path) -> None:
    with Server(queue, "--token", "a word & more") as server:
        assert server.url.endswith("?token=a%20word%20%26%20more")
        assert Person(server.url).ask("next")["pair"] is None


def test_a_person_is_shown_a_pair_and_what_is_said_is_counted(
    server: Server, labeller: HumanLabeller
) -> None:
    tickets = labeller.post(pairs_in_order(2))
    person = Person(server.url)
    reply = person.ask("next")
    assert reply["name"] == "person 1"
    assert reply["progress"] == {"pairs": 2, "done": 0, "yours": 0, "shared": 0, "agreed": 0}
    pair = reply["pair"]
    assert (pair["number"], pair["instruction"]) == (1, GOAL)
    clip = pair["left"]
    assert (clip["pictures"], clip["columns"], clip["width"], clip["height"]) == (3, 2, 16, 16)
    assert person.get(person.site + clip["sheet"]).startswith(b"\x89PNG")
    reply = person.ask("answer", pair=1, said="equal", seconds=1.5)
    assert reply["counted"] and reply["pair"]["number"] == 2
    labels = labeller.answers(tickets)
    assert labels.prefer_second.tolist()[0] == 0.5
    assert labels.seconds.tolist() == [1.5, 0.0]


def test_two_people_get_different_pairs(server: Server, labeller: HumanLabeller) -> None:
    labeller.post(pairs_in_order(2))
    people = [Person(server.url) for _ in range(3)]
    pairs = [person.ask("next")["pair"] for person in people]
    assert [pair and pair["number"] for pair in pairs] == [1, 2, None]


def test_what_is_no_question_is_refused_in_words(server: Server, labeller: HumanLabeller) -> None:
    labeller.post(pairs_in_order(1))
    person = Person(server.url)
    assert refusal(person, "answer", pair=1, said="both") == (
        400,
        "said='both'; expected one of left, right, equal, unsure.",
    )
    for pair in (7, -1, 2**70, "1", None):
        status, problem = refusal(person, "answer", pair=pair, said="left")
        assert status == 400 and "pair" in problem
    assert refusal(person, "answer", pair=1, said="left", seconds=float("nan"))[0] == 400
    assert refusal(person, "answer", pair=1, said=["left"])[0] == 400
    assert refusal(person, "name", name=3) == (400, "name=3; expected a text.")
    assert person.ask("next")["progress"]["done"] == 0


def test_other_sites_can_make_a_browser_send_nothing_that_counts(queue: Path) -> None:
    with Server(queue, "--no-token") as server:
        cookie = "vlfeedback-person=some-secret-of-mine"
        kinds = {"text/plain": 415, "application/x-www-form-urlencoded": 415}
        for kind, expected in (kinds | {"application/json": 200}).items():
            status, _, _ = request(
                server.url, "/api/next", "POST", "{}", Cookie=cookie, Content_Type=kind
            )
            assert status == expected
        for body in ("[]", "{", "[" * 10_000):
            status, _, text = request(
                *(server.url, "/api/next", "POST", body),
                Cookie=cookie,
                Content_Type="application/json",
            )
            assert status == 400 and "problem" in text
        status, _, text = request(
            server.url, "/api/next", "POST", "{}", Content_Type="application/json"
        )
        assert status == 403 and "The page was not opened yet" in text


@pytest.mark.parametrize("path", ["/clips/token.png", "/clips/..%2Ftoken", "/clips/" + "0" * 32])
def test_no_file_but_a_clip_is_given_out(queue: Path, path: str) -> None:
    with Server(queue, "--no-token") as server:
        token_of_queue(queue)
        assert request(server.url, path)[0] == 404
