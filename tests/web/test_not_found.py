from __future__ import annotations

import pytest
from django.test import override_settings
from django.urls import reverse

from partners.models import Partner
from portal.accounts.models import User
from tests.conftest import Browse
from tests.htmx import HTMX
from tests.page import page

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("debug", [True, False])
def test_what_is_not_there_for_somebody_is_a_page_of_ours_and_tells_nothing(
    debug: bool, acme: Partner, paul: User, browse: Browse
) -> None:
    with override_settings(DEBUG=debug):
        hidden = browse(paul).get(reverse("partners:detail", args=[acme.pk]))

    assert hidden.status_code == 404
    assert "There is no such page, or it is not yours to see." in page(hidden).text
    assert "partners:" not in hidden.content.decode()


def test_what_is_gone_is_a_toast_under_htmx_and_leaves_the_page_as_it_is(
    acme: Partner, amir: User, browse: Browse
) -> None:
    answer = browse(amir).get(reverse("keys:revoke", args=[acme.pk, 4711]), headers=HTMX)

    assert answer.status_code == 404
    assert answer["HX-Reswap"] == "none"
    assert "Not found" in answer["HX-Trigger"]
