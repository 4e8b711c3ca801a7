"""Whatever a key changes by the API stands in the History Logs, with the key as the actor.

Every operation is taken from the routers. One whose path has a parameter that nothing is made for here fails, and so
does one whose example cannot be carried out: say in BODIES what can be sent instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils.timezone import now

import portal.urls  # noqa: F401
from keys.gate import Realm
from keys.models import Key
from partners.models import Partner
from partners.offers.models import Offer
from partners.postbacks import sending
from portal.accounts.models import Event, User
from portal.api import CHANGING, PREFIX, api
from portal.network.models import Network
from tests.conftest import SETUP, Browse
from tests.page import page
from tests.partners.conftest import Launch
from tests.partners.test_isolation import DOCUMENT, MAKERS, body_of
from tests.partners.traffic.conftest import clicked

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    realm: Realm
    only_reads: bool

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def operations() -> Iterator[Operation]:
    """All that can change something by their method, and are opened by a key."""
    for prefix, router in api._routers:
        realm = api.realms.get(prefix)
        for path, view in router.path_operations.items():
            for operation in view.operations:
                only_reads = getattr(operation.view_func, "is_reading", False)
                for method in CHANGING.intersection(operation.methods):
                    if realm is not None:
                        yield Operation(method, f"{PREFIX}{prefix}{path}", realm, only_reads)


OPERATIONS = sorted(operations(), key=str)
CHANGES = [operation for operation in OPERATIONS if not operation.only_reads]
READS = [operation for operation in OPERATIONS if operation.only_reads]


@dataclass(frozen=True)
class Scene:
    """A partner with an offer that it may run, and one that it has to apply for."""

    partner: Partner
    offer: Offer
    closed: Offer


Body = Callable[[Scene], Any]

# Instead of the document's example, which names things that are not there.
BODIES: dict[str, Body] = {
    "POST /v1/affiliates/pixels": lambda scene: {
        "network_offer_id": scene.offer.pk,
        "pixel_level": "specific",
        "postback_url": "https://track.example/?tid={transaction_id}",
    },
    "PUT /v1/affiliates/pixels/{pixel_id}": lambda scene: {
        "pixel_level": "global",
        "postback_url": "https://track.example/another?tid={transaction_id}",
    },
    "POST /v1/networks/apikey": lambda scene: {
        "label": "Import",
        "resource_id": scene.partner.pk,
        "resource_type": "affiliate",
    },
    "POST /v1/networks/conversions": lambda scene: {
        "conversions": [{"transaction_id": clicked(scene.partner, scene.offer, an_hour_ago()).id.hex}]
    },
    "POST /v1/networks/offers": lambda scene: {
        "name": "Lamps",
        "network_advertiser_id": scene.offer.advertiser_id,
        "network_category_id": scene.offer.category_id,
        "destination_url": "https://lamps.example/",
        "payout_revenue": [{"payout_type": "cpa", "payout_amount": 4}],
    },
}
# What stands for a parameter of a path, where it is not one of the partner's own that the offer has.
IDS: dict[str, Callable[[Scene], object]] = {
    "POST /v1/affiliates/offers/{offer_id}/application": lambda scene: scene.closed.pk,
    "partner_id": lambda scene: scene.partner.pk,
    "key_id": lambda scene: Key.issue(partner=scene.partner, label="Old", by=SETUP)[0].pk,
}


def an_hour_ago() -> Any:
    return now() - timedelta(hours=1)


@pytest.fixture
def scene(network: Network, acme: Partner, launch: Launch) -> Scene:
    offer, closed = launch("Candles", visibility="private"), launch("Vases", visibility="require_approval")
    offer.admit(partner=acme, by=SETUP)
    return Scene(acme, offer, closed)


def url_of(operation: Operation, scene: Scene) -> str:
    filled = operation.path
    for name in [part[1:-1].rpartition(":")[2] for part in operation.path.split("/") if part.startswith("{")]:
        make = IDS.get(str(operation)) or IDS.get(name)
        assert make or name in MAKERS, f"Say in IDS or in test_isolation's MAKERS what {name} of {operation} can be."
        made = make(scene) if make else MAKERS[name](scene.partner, scene.offer)
        filled = filled.replace(f"{{{name}}}", str(made))
    return filled


def sent(operation: Operation, scene: Scene) -> Any:
    if str(operation) in BODIES:
        return BODIES[str(operation)](scene)
    return body_of(DOCUMENT["paths"][operation.path][operation.method.lower()])


@pytest.fixture
def keys_of(acme_key: tuple[Key, str]) -> dict[Realm, tuple[Key, str]]:
    return {
        Realm.AFFILIATE: acme_key,
        Realm.NETWORK: Key.generate_network_key(by=SETUP, replacing=None),
    }


Ask = Callable[[Operation], tuple[Any, Key]]


@pytest.fixture
def ask(
    scene: Scene, keys_of: dict[Realm, tuple[Key, str]], call: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> Ask:
    """``ask(operation)``: carries it out with a key of its realm; answers what came of it, and the key."""

    async def answered(url: str, *more: Any) -> sending.Answer:
        return sending.Answer(now(), url, 200, "", "", 1)

    monkeypatch.setattr("partners.postbacks.delivering.send", answered)

    def carry_out(operation: Operation) -> tuple[Any, Key]:
        key, secret = keys_of[operation.realm]
        url, body = url_of(operation, scene), sent(operation, scene)
        Event.objects.all().delete()
        client = call(secret)
        return getattr(client, operation.method.lower())(url, body or None, content_type="application/json"), key

    return carry_out


@pytest.mark.parametrize("operation", CHANGES, ids=str)
def test_what_a_key_changes_stands_in_the_history_with_the_key(
    operation: Operation, ask: Ask, acme: Partner, nadia: User, browse: Browse
) -> None:
    answer, key = ask(operation)

    assert 200 <= answer.status_code < 300, answer.content
    events = list(Event.objects.all())
    assert events, "It changed something and left no event."
    name = f"Network key …{key.hint[-4:]}" if key.partner is None else f"API key …{key.hint[-4:]} (Acme Media)"
    assert {(event.actor_key_id, event.actor_label, event.ip) for event in events} == {(key.pk, name, "127.0.0.1")}
    assert name in page(browse(nadia).get("/control-center/history/")).text


@pytest.mark.parametrize("operation", READS, ids=str)
def test_what_only_reads_leaves_nothing_in_the_history(operation: Operation, ask: Ask) -> None:
    ask(operation)

    assert not Event.objects.exists()


def test_what_is_refused_leaves_nothing_in_the_history(
    scene: Scene, keys_of: dict[Realm, tuple[Key, str]], call: Callable[..., Client]
) -> None:
    before = Event.objects.count()

    for operation in CHANGES:
        url = operation.path.replace("{", "").replace("}", "")
        client = call(keys_of[operation.realm][1])
        answer = getattr(client, operation.method.lower())(url, "[", content_type="application/json")
        assert answer.status_code in (400, 404), f"{operation}: {answer.status_code}"

    assert Event.objects.count() == before


def test_what_is_said_of_an_operation_is_said_of_one_that_there_is() -> None:
    there = {str(operation) for operation in OPERATIONS}

    assert BODIES.keys() <= there
    assert {name for name in IDS if name.startswith(tuple(CHANGING))} <= there
