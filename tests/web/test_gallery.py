from __future__ import annotations

from django.test import RequestFactory

from portal.gallery import STATUSES, gallery
from tests.page import page, text_of


def test_the_gallery_shows_every_component_in_both_schemes(rf: RequestFactory) -> None:
    answer = page(gallery(rf.get("/ui/")))

    schemes = answer.element.select("[data-theme]")

    assert [scheme["data-theme"] for scheme in schemes] == ["light", "dark"]
    headings = [[heading.get_text() for heading in scheme.select("h2")] for scheme in schemes]
    assert headings[0] == headings[1]
    shown = {status["data-status"] for status in answer.element.select(".status")}
    assert shown == {status for statuses in STATUSES.values() for status in statuses}


def test_no_two_elements_of_the_gallery_share_an_id(rf: RequestFactory) -> None:
    answer = page(gallery(rf.get("/ui/")))

    # A revealed secret carries its masked form, which takes its id over, in a template.
    ids = [element["id"] for element in answer.element.select("[id]") if element.find_parent("template") is None]

    assert sorted(ids) == sorted(set(ids))


def test_the_gallery_shows_the_bell_with_nothing_something_and_much_unread(rf: RequestFactory) -> None:
    answer = page(gallery(rf.get("/ui/")))

    bells = [text_of(bell) for bell in answer.element.select(".bell")]

    assert bells == ["Notifications", "Notifications 3 unread", "Notifications 99+ unread"] * 2


def test_the_gallery_has_no_inline_style_or_script(rf: RequestFactory) -> None:
    answer = page(gallery(rf.get("/ui/")))

    assert not answer.element.select("[style], style, script:not([src])")
