"""Prices: the user's first, nothing for servers of one's own, then the table that comes with us."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from vlfeedback.errors import FileFormatError, NeedsError
from vlfeedback.vlms.ledger.prices import (
    FREE,
    Price,
    find_price,
    needed_price,
    read_prices,
    shipped_prices,
)
from vlfeedback.vlms.servers import is_own
from vlfeedback.vlms.settings import VLMSettings

GEMINI = "https://generativelanguage.googleapis.com/v1beta/openai/"
TODAY = date(2026, 11, 27)


def test_the_cost_is_by_the_million_tokens_and_by_the_picture() -> None:
    price = Price("m", usd_in=2.0, usd_out=10.0, usd_image=0.001)
    assert price.cost(500_000, 100_000, pictures=3) == pytest.approx(1.0 + 1.0 + 0.003)


def test_each_price_that_comes_with_us_says_where_and_when_it_was_read() -> None:
    assert len(shipped_prices()) > 10
    for price in shipped_prices():
        assert price.source.startswith("https://"), price
        assert price.read is not None and price.read >= date(2026, 11, 27), price
        assert price.server != "*", price  # the same name may cost something else elsewhere


def test_no_price_that_comes_with_us_hides_behind_an_earlier_one() -> None:
    prices = shipped_prices()
    for i, price in enumerate(prices):
        day = date(9999, 1, 1) if price.until is None else price.until
        fitting = [one for one in prices if one.fits(price.model, price.server, day)]
        assert fitting[0] == prices[i]


@pytest.mark.parametrize(
    ("model", "base_url", "usd"),
    [
        ("gpt-5-mini", "", (0.25, 2.0)),
        ("gpt-5-mini-2025-08-07", "https://api.openai.com/v1", (0.25, 2.0)),
        ("gpt-4o", "", (2.5, 10.0)),
        ("gpt-4o-mini", "", (0.15, 0.6)),
        ("gemini-3.8-flash", GEMINI, (0.75, 3.75)),
    ],
)
def test_prices_of_hosted_models(model: str, base_url: str, usd: tuple[float, float]) -> None:
    price = find_price(VLMSettings(model=model, base_url=base_url), TODAY)
    assert price is not None and (price.usd_in, price.usd_out) == usd


def test_a_price_that_has_ended_gives_way_to_the_next() -> None:
    settings = VLMSettings(model="gemini-3.8-flash", base_url=GEMINI)
    price = find_price(settings, date(2027, 1, 1))
    assert price is not None and price.usd_in == 1.5


def test_a_model_is_not_priced_by_another_servers_table() -> None:
    elsewhere = VLMSettings(model="gpt-5-mini", base_url="https://models.example/v1")
    assert find_price(elsewhere, TODAY) is None
    assert find_price(VLMSettings(model="gpt-99"), TODAY) is None


def test_servers_of_ones_own_cost_nothing() -> None:
    for host in ("localhost:8000", "127.0.0.1:11434", "[::1]:80", "192.168.0.4", "gpu-7:8000"):
        settings = VLMSettings(model="gpt-4o", base_url=f"http://{host}/v1")
        assert find_price(settings, TODAY) == FREE, host
    for host in ("8.8.8.8", "models.example", "localhost.example"):
        assert not is_own(f"http://{host}/v1")


def test_the_users_file_is_read_first(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(
        '[[price]]\nmodel = "GPT-4o*"\nserver = "api.openai.com"\nusd_in = 1\nusd_out = 2\n'
        '[[price]]\nmodel = "*"\nserver = "localhost"\nusd_in = 0.5\nusd_out = 0.5\n'
    )
    mine = find_price(VLMSettings(model="gpt-4o-mini", prices=str(file)), TODAY)
    assert mine == Price("GPT-4o*", usd_in=1.0, usd_out=2.0, server="api.openai.com")
    rented = VLMSettings(model="q", base_url="http://localhost:8000/v1", prices=str(file))
    assert find_price(rented, TODAY) == Price("*", usd_in=0.5, usd_out=0.5, server="localhost")
    other = find_price(VLMSettings(model="gpt-5-mini", prices=str(file)), TODAY)
    assert other is not None and other.usd_in == 0.25


def test_a_limit_without_a_price_is_an_error_with_the_lines_to_add() -> None:
    settings = VLMSettings(model="new-model", budget_usd=5.0)
    with pytest.raises(NeedsError) as refused:
        needed_price(settings)
    assert str(refused.value) == (
        "No price is known of 'new-model' on api.openai.com, and budget_usd=5 needs one. Add to "
        "prices.toml, with US dollars per million tokens in place of the dots, and pass "
        "prices='prices.toml':\n"
        '[[price]]\nmodel = "new-model"\nusd_in = ...\nusd_out = ...'
    )


def test_the_lines_to_add_are_a_file_of_prices(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text("")
    settings = VLMSettings(model="new-model", budget_usd=5.0, prices=str(file))
    with pytest.raises(NeedsError, match=r"Add to .*prices\.toml, with") as refused:
        needed_price(settings)
    lines = str(refused.value).splitlines()[1:]
    file.write_text("\n".join(lines).replace("...", "0.5"))
    assert needed_price(settings) == Price("new-model", usd_in=0.5, usd_out=0.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("price = 3", "has no list of prices; expected nothing but tables"),
        ('[prices]\nmodel = "m"', "has 'prices'; expected nothing but tables"),
        ('[[price]]\nmodel = "m"\nusd_in = 1', "price 1: no usd_out; expected model, usd_in and"),
        (
            '[[price]]\nmodel = "m"\nusd_in = 1\nusd_out = 1\nusd = 3',
            "price 1: usd; expected model",
        ),
        (
            '[[price]]\nmodel = "m"\nusd_in = "1"\nusd_out = 1',
            "usd_in is '1'; expected a number of",
        ),
        ('[[price]]\nmodel = "m"\nusd_in = -1\nusd_out = 1', "usd_in is -1; expected a number of"),
        ("[[price]]\nmodel = 3\nusd_in = 1\nusd_out = 1", "model is 3; expected a text"),
        (
            '[[price]]\nmodel = "m"\nusd_in = 1\nusd_out = 1\nuntil = "soon"',
            "until is 'soon'; expected a date, such as 2027-06-30",
        ),
        ("[[price", "is no readable file of prices"),
    ],
)
def test_a_file_that_is_none_of_prices_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "prices.toml").write_text(text)
    with pytest.raises(FileFormatError, match=message):
        read_prices(tmp_path / "prices.toml")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"No file of prices .*absent\.toml"):
        find_price(VLMSettings(model="m", prices=str(tmp_path / "absent.toml")))
