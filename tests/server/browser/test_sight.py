"""What the tests of pages look for is found where it is: a look that sees nothing would always be content."""

from __future__ import annotations

import pytest

from tests.server.browser.sight import look

pytestmark = pytest.mark.one_python


@pytest.fixture
def page(browser):
    found = browser.new_page(viewport={"width": 375, "height": 600})
    yield found
    found.close()


@pytest.mark.parametrize(
    ("text", "faint"),
    [
        ("<p style='color: #999'>grey</p>", 1),
        ("<p style='color: #595959'>dark</p>", 0),
        ("<div style='background: #000'><p style='color: #222'>dark on black</p></div>", 1),
        ("<p style='color: #888; font-size: 30px'>large</p>", 0),
        ("<p hidden style='color: #999'>not there</p>", 0),
        ("<p style='color: rgb(0 0 0 / 30%)'>thin</p>", 1),
    ],
)
def test_faint_texts_are_found(page, text, faint):
    page.set_content(text)
    assert len(look(page, "contrast")) == faint


@pytest.mark.parametrize(
    ("text", "nameless"),
    [
        ("<input name=a>", 1),
        ("<label for=a>A</label><input id=a>", 0),
        ("<input type=hidden name=a>", 0),
        ("<button></button><a href=x></a>", 2),
        ("<a href=x><img alt='the way'></a>", 0),
        ("<p id=a></p><p id=a></p>", 1),
    ],
)
def test_fields_without_names_are_found(page, text, nameless):
    page.set_content(text)
    assert len(look(page, "labels")) == nameless


def test_what_is_wider_than_the_screen_is_found_unless_it_scrolls_by_itself(page):
    wide = "<main><p style='width: 900px'>wide</p></main>"
    page.set_content(wide)
    assert look(page, "sideways") == ["P. 908: wide"]
    page.set_content(f"<div style='overflow-x: auto'>{wide}</div>")
    assert look(page, "sideways") == []


@pytest.mark.parametrize(("style", "shown"), [("outline: none", False), ("outline: 2px solid red", True)])
def test_a_focus_that_nobody_sees_is_found(page, style, shown):
    page.set_content(f"<a href=x style='{style}'>x</a>")
    page.keyboard.press("Tab")
    assert look(page, "focus")["shown"] is shown
