"""The page of a sample run in windows of a browser."""

import browser
import pytest


def window(page, width, height, **options):
    if browser.missing():
        pytest.skip(browser.missing())
    opened = browser.Browser(width, height, **options)
    opened.open(page.as_uri())
    opened.wait("return document.querySelector('#stage')?.dataset.shown")
    opened.page = page.as_uri()
    return opened


def wide_window(page):
    opened = window(page, 1300, 900)
    yield opened
    opened.close()


def fresh(opened, hash=""):
    """The window with the page newly opened; whatever a test does must leave the console without a message."""
    opened.open("about:blank")
    opened.console()
    opened.open(opened.page + hash)
    opened.wait("return document.querySelector('#stage')?.dataset.shown")
    yield opened
    assert opened.console() == []
    assert opened.run("return window.harmed") is None
    assert (
        opened.run(
            "return performance.getEntriesByType('resource').filter((e) => !e.name.startsWith('data:')).map((e) "
            "=> e.name)"
        )
        == []
    )


def wide(wide_window):
    yield from fresh(wide_window)
