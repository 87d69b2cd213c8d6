"""What all pages have in common."""

import re
from importlib.resources import files
from pathlib import Path

import pytest

from vlfeedback.errors import InvalidValueError
from vlfeedback.reports.pages import address, file_address, render_page

DATA = "data:image/png;base64,AAAA"


@pytest.mark.parametrize(
    "text", ["https://example.org/?a=b:c", "http://localhost", "sheets/a.png", "#top", "", DATA]
)
def test_web_relative_and_picture_addresses_stay_as_they_are(text: str) -> None:
    assert address(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "javascript:alert(1)",
        " JavaScript:alert(1)",
        "java\nscript:alert(1)",
        "file:///etc/passwd",
        "//elsewhere.org/a.png",
        "/\\elsewhere.org/a.png",
        "data:text/html;base64,AAAA",
        "data:image/svg+xml;base64,AAAA",
    ],
)
def test_every_other_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidValueError, match="is no address that a page may hold"):
        address(text)


def test_a_file_name_becomes_one_relative_address() -> None:
    assert file_address("javascript:x?#.png") == "javascript%3Ax%3F%23.png"
    assert address(file_address("javascript:x?#.png"))


def test_what_is_shown_is_text_and_a_quote_does_not_end_an_attribute() -> None:
    page = render_page(
        "sweep",
        title="<script>",
        claim="a & b",
        head=["task"],
        rows=[{"task": '"><b>', "begins": True, "cells": ["<i>"]}],
        notes=["</p>"],
        curves='a"onerror="x',
        provenance="<u>",
    )
    assert "<title>&lt;script&gt;</title>" in page and "<h1>&lt;script&gt;</h1>" in page
    assert "<p>a &amp; b</p>" in page and "<p>&lt;/p&gt;</p>" in page
    assert "<th>&#34;&gt;&lt;b&gt;</th><td>&lt;i&gt;</td>" in page
    assert 'src="a&#34;onerror=&#34;x"' in page
    assert "<p>&lt;u&gt;</p>" in page.partition("<footer>")[2]


def test_templates_hold_no_address_but_through_the_filters() -> None:
    folder = Path(str(files("vlfeedback.reports"))) / "templates"
    addresses = [
        address
        for template in folder.glob("*.j2")
        for address in re.findall(r'(?:href|src|action)="([^"]*)"', template.read_text("utf-8"))
    ]
    assert len(addresses) >= 7
    for text in addresses:
        assert re.fullmatch(r"\{\{ [\w.]+ \| (file_)?address \}\}|#\{\{ .* \| urlencode \}\}", text)


def test_every_page_declares_language_encoding_and_width() -> None:
    page = render_page(
        "collection",
        title="t",
        settings={},
        rows=[],
        tasks=[],
        success="rgb(1, 2, 3)",
        stopped="rgb(4, 5, 6)",
        version="0",
    )
    assert page.startswith('<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">')
    assert page.endswith("</body>\n</html>\n")
