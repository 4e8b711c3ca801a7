from __future__ import annotations

import pytest
from django.urls import reverse

from partners.firehose.models import Firehose
from partners.models import Partner
from partners.traffic.models import Followed, TrafficIsBusy
from portal.accounts.models import Event, Role, User
from tests.conftest import SETUP, Browse, person
from tests.htmx import DIALOG, HTMX, told
from tests.page import page

pytestmark = pytest.mark.django_db


def url(name: str, partner: Partner) -> str:
    return reverse(f"firehose:{name}", args=[partner.pk])


def test_the_network_enables_a_firehose_and_disables_it(vera: User, acme: Partner, browse: Browse) -> None:
    client = browse(vera)

    enabled = client.post(url("enable", acme), follow=True)
    again = client.post(url("enable", acme), follow=True)
    shown = page(client.get(url("partner", acme)))
    disabled = client.post(url("disable", acme), follow=True)

    assert "The Firehose of Acme Media is enabled." in page(enabled).text
    assert "was enabled already" in page(again).text
    assert "Enabled" in shown.region("firehose").text
    assert "Vera" in shown.region("firehose").text
    assert "The Firehose of Acme Media is disabled." in page(disabled).text
    assert not Firehose.objects.enabled().exists()
    kinds = Event.objects.filter(kind__startswith="firehose", partner_id=acme.pk).order_by("pk")
    assert list(kinds.values_list("kind", flat=True)) == ["firehose.enabled", "firehose.disabled"]


def test_a_dialog_says_what_it_will_do_and_the_region_fetches_itself_anew(
    vera: User, acme: Partner, browse: Browse
) -> None:
    client = browse(vera)

    dialog = client.get(url("enable", acme), headers=DIALOG)
    answer = client.post(url("enable", acme), headers=DIALOG)
    region = client.get(url("partner", acme), headers={**HTMX, "HX-Target": "firehose"})

    assert "Enable the Firehose?" in page(dialog).text
    assert answer.status_code == 204
    assert "firehose:changed" in told(answer)
    assert "dialog:close" in told(answer)
    assert page(region).region("firehose").links["Disable"] == url("disable", acme)


def test_who_may_only_look_sees_the_button_and_is_refused(anna: User, acme: Partner, browse: Browse) -> None:
    client = browse(anna)

    assert client.get(url("partner", acme)).status_code == 200
    assert client.post(url("enable", acme)).status_code == 403
    assert not Firehose.objects.exists()


@pytest.fixture
def anna(network: object) -> User:
    return person("Anna", role=Role.create(name="Looker", by=SETUP, partners="view"))


def test_enabling_that_has_to_wait_for_too_long_says_so(
    vera: User, acme: Partner, browse: Browse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(partner: Partner) -> None:
        raise TrafficIsBusy

    monkeypatch.setattr(Followed, "begin", busy)

    answer = browse(vera).post(url("enable", acme), headers=DIALOG)

    assert answer.status_code == 422
    assert "try again in a minute" in page(answer).text
    assert not Firehose.objects.exists()


def test_a_firehose_that_never_was_cannot_be_disabled(vera: User, acme: Partner, browse: Browse) -> None:
    assert browse(vera).post(url("disable", acme)).status_code == 404


def test_a_partner_sees_its_own_firehose_and_how_to_open_it(
    paul: User, otto: User, acme: Partner, browse: Browse
) -> None:
    before = page(browse(paul).get(reverse("firehose:account"))).region("firehose")
    firehose = Firehose.enable(acme, by=SETUP)
    own = page(browse(paul).get(reverse("firehose:account"))).region("firehose")
    other = page(browse(otto).get(reverse("firehose:account"))).region("firehose")
    firehose.disable(by=SETUP)
    after = page(browse(paul).get(reverse("firehose:account"))).region("firehose")

    assert "can enable it for you" in before.text
    assert "curl -N http://localhost:8000/v1/affiliates/firehose" in own.text
    assert "application/x-ndjson" in own.text
    assert "curl" not in other.text + after.text
    assert browse(paul).get(url("partner", acme)).status_code == 404


def test_the_api_tabs_load_the_region(vera: User, paul: User, acme: Partner, acme_key: object, browse: Browse) -> None:
    for user, tab, region in (
        (vera, reverse("keys:partner", args=[acme.pk]), url("partner", acme)),
        (paul, reverse("keys:account"), reverse("firehose:account")),
    ):
        answer = browse(user).get(tab)
        assert region in page(answer).region("firehose").links.values()
        assert f'hx-get="{region}"' in answer.content.decode()
