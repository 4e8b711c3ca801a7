from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apilog import tallies
from apilog.patterns import scan as scanning
from apilog.patterns.jobs import forget_old_patterns, look_for_patterns
from apilog.patterns.models import AlreadyClosed, Habit, Pattern, ScanMark, WentOn
from apilog.patterns.scan import forget, scan
from keys.gate import Outcome
from keys.models import Key
from partners.models import Partner
from portal.accounts.models import Event
from portal.network.models import Network
from tests.apilog.conftest import Log
from tests.conftest import SETUP

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
HOME, ELSEWHERE = "203.0.113.7", "198.51.100.9"


@pytest.fixture
def worn(acme_key: tuple[Key, str], log: Log) -> Key:
    """A key that has been used at two o'clock in the afternoon for three weeks; all of that is scanned."""
    key, _ = acme_key
    Key.objects.update(created_at=NOW - 100 * DAY, last_used_at=NOW)
    live_for_weeks(key, log)
    scan(NOW - HOUR)
    return key


def live_for_weeks(key: Key, log: Log) -> None:
    for day in range(1, 21):
        for minute in (0, 20):
            log(key, at=NOW - day * DAY + 2 * HOUR + minute * MINUTE, ip=HOME)


def open_patterns() -> list[tuple[str, dict[str, int]]]:
    return list(Pattern.objects.open().order_by("rule").values_list("rule", "seen"))


def test_a_usual_life_raises_nothing(worn: Key, log: Log) -> None:
    log(worn, at=NOW - 10 * MINUTE, ip=HOME)
    scan(NOW)

    assert open_patterns() == []


def test_a_call_from_elsewhere_is_raised_once_and_joined_by_those_that_follow(worn: Key, log: Log) -> None:
    first = log(worn, at=NOW - 10 * MINUTE, ip=ELSEWHERE)
    scan(NOW)
    last = log(worn, at=NOW + 2 * DAY, ip=ELSEWHERE)
    log(worn, at=NOW + 2 * DAY - MINUTE, ip=HOME)
    scan(NOW + 2 * DAY + HOUR)

    found = Pattern.objects.get()
    assert (found.rule, found.key, found.seen) == ("new_network", worn, {"198.51.100.0/24": 2})
    assert (found.first_at, found.last_at) == (first.received_at, last.received_at)
    assert found.usual == "It is used from 203.0.113.0/24."


def test_addresses_of_version_6_are_taken_by_48_bits(worn: Key, log: Log) -> None:
    log(worn, at=NOW - 10 * MINUTE, ip="2001:db8:7:1::5")
    log(worn, at=NOW - 9 * MINUTE, ip="2001:db8:7:2::5")
    scan(NOW)

    assert open_patterns() == [("new_network", {"2001:db8:7::/48": 2})]


def test_an_action_and_an_hour_that_never_were_are_raised(worn: Key, log: Log) -> None:
    for minute in range(3):
        log(worn, at=NOW - 8 * HOUR + minute * MINUTE, ip=HOME, action="list_offers")
    ScanMark.objects.update(through_at=NOW - 9 * HOUR)
    scan(NOW)

    assert open_patterns() == [("new_action", {"list_offers": 3}), ("new_hour", {"04": 3})]


def test_calls_that_were_turned_away_are_no_use_of_the_key(worn: Key, log: Log) -> None:
    log(worn, at=NOW - 10 * MINUTE, ip=ELSEWHERE, outcome=Outcome.IP_DENIED)
    log(worn, at=NOW - 9 * MINUTE, ip=ELSEWHERE, outcome=Outcome.WRONG_REALM, action="list_affiliates")
    scan(NOW)

    assert open_patterns() == []
    assert not Habit.objects.filter(kind="network", value="198.51.100.0/24").exists()


def test_a_young_key_is_only_learnt_about(acme_key: tuple[Key, str], log: Log) -> None:
    key, _ = acme_key
    for minute in range(60):
        log(key, at=NOW - 5 * DAY + minute * MINUTE, ip=HOME)
    log(key, at=NOW - 5 * MINUTE, ip=ELSEWHERE, action="list_offers")
    scan(NOW)

    assert open_patterns() == []
    assert set(Habit.objects.values_list("kind", "value")) == {
        ("network", "203.0.113.0/24"),
        ("network", "198.51.100.0/24"),
        ("action", "read_affiliate_account"),
        ("action", "list_offers"),
        ("hour", "12"),
        ("hour", "11"),
    }


def test_a_burst_of_refusals_is_raised_from_tallies_and_the_log_alike(acme_key: tuple[Key, str], log: Log) -> None:
    key, _ = acme_key
    for second in range(40):
        log(key, at=NOW - 20 * MINUTE + second * timedelta(seconds=5), outcome=Outcome.RATE_LIMITED)
    for second in range(8):
        log(key, at=NOW - 9 * MINUTE + second * timedelta(seconds=5), outcome=Outcome.RATE_LIMITED)
    tallies.keep_up(NOW - 8 * MINUTE)
    scan(NOW)

    found = Pattern.objects.get()
    assert (found.rule, found.calls) == ("limit_burst", 48)
    assert found.usual == "No refusal in the 7 days before."


def test_a_key_revoked_and_used_again_and_again_is_raised(acme_key: tuple[Key, str], log: Log) -> None:
    key, _ = acme_key
    key.revoke(by=SETUP)
    for hour in range(12):
        log(key, at=NOW - hour * HOUR - 5 * MINUTE, outcome=Outcome.REVOKED_KEY)
    scan(NOW)

    assert open_patterns() == [("refused_again", {"revoked_key 203.0.113.0/24": 12})]


def test_refusals_far_apart_are_counted_anew(acme_key: tuple[Key, str], log: Log) -> None:
    key, _ = acme_key
    for day in (9, 6, 3, 0):
        for minute in range(4):
            log(key, at=NOW - day * DAY - (5 + minute) * MINUTE, outcome=Outcome.IP_DENIED)
    scan(NOW)

    assert open_patterns() == []


def test_a_key_that_nobody_uses_is_raised_until_somebody_does(acme_key: tuple[Key, str]) -> None:
    Key.objects.update(created_at=NOW - 200 * DAY, last_used_at=NOW - 91 * DAY)
    scan(NOW)
    scan(NOW + MINUTE)
    assert open_patterns() == [("unused", {(NOW - 91 * DAY).isoformat(): 0})]

    Key.objects.update(last_used_at=NOW + HOUR)
    scan(NOW + 2 * HOUR)

    found = Pattern.objects.get()
    assert (found.closed_by, found.closed_because) == ("worker", "It was used again.")
    scan(NOW + 100 * DAY)
    assert Pattern.objects.count() == 2


def test_a_key_that_is_revoked_is_no_longer_unused(acme_key: tuple[Key, str]) -> None:
    key, _ = acme_key
    Key.objects.update(created_at=NOW - 91 * DAY)
    scan(NOW)

    key.revoke(by=SETUP)
    scan(NOW)

    assert Pattern.objects.get().closed_because == "It is no longer live."


def test_each_call_is_read_once(worn: Key, log: Log) -> None:
    log(worn, at=NOW - 10 * MINUTE, ip=HOME)
    scan(NOW)
    before = Habit.objects.get(kind="network").calls

    scan(NOW)
    scan(NOW + MINUTE)

    assert before == 41
    assert Habit.objects.get(kind="network").calls == before


def test_calls_that_may_still_be_written_are_left_for_the_next_time(worn: Key, log: Log) -> None:
    log(worn, at=NOW - MINUTE, ip=ELSEWHERE)

    scan(NOW)
    assert open_patterns() == []
    scan(NOW + 5 * MINUTE)

    assert len(open_patterns()) == 1


def test_catching_up_finds_the_same_as_following(acme_key: tuple[Key, str], log: Log) -> None:
    key, _ = acme_key
    live_for_weeks(key, log)
    log(key, at=NOW - 3 * HOUR, ip=ELSEWHERE)

    scan(NOW)

    assert open_patterns() == [("new_network", {"198.51.100.0/24": 1})]


def test_an_empty_log_is_scanned_too(db: None) -> None:
    scan(NOW)

    assert not ScanMark.objects.exists()


def test_the_calls_of_a_key_that_is_not_there_are_passed_over(worn: Key, log: Log) -> None:
    gone = Key(pk=worn.pk + 1000, realm="affiliate", partner_id=worn.partner_id)
    log(gone, at=NOW - 10 * MINUTE)

    scan(NOW)

    assert not Habit.objects.filter(key_id=gone.pk).exists()


def test_a_key_called_from_everywhere_does_not_fill_the_database(
    worn: Key, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning, "MOST_HABITS", 3)
    for number in range(9):
        log(worn, at=NOW - (20 - number) * MINUTE, ip=f"198.51.{number}.1")

    scan(NOW - 12 * MINUTE)
    scan(NOW)

    assert Habit.objects.filter(kind="network").count() == 3


@pytest.mark.parametrize("outcome", [Outcome.OK, Outcome.RATE_LIMITED, Outcome.IP_DENIED])
def test_the_scan_asks_as_often_for_many_keys_as_for_one(acme: Partner, worn: Key, log: Log, outcome: Outcome) -> None:
    def queries(start: datetime) -> int:
        with CaptureQueriesContext(connection) as captured:
            scanning.look(start, start + HOUR)
        return len(captured)

    def busy(key: Key, at: datetime) -> None:
        for second in range(40):
            log(key, at=at + second * timedelta(seconds=1), ip=ELSEWHERE, outcome=outcome)

    busy(worn, NOW)
    few = queries(NOW)
    for number in range(8):
        busy(Key.issue(partner=acme, label=f"Key {number}", by=SETUP)[0], NOW + DAY)

    assert queries(NOW + DAY) <= few


def test_the_jobs_scan_and_forget(worn: Key, log: Log) -> None:
    look_for_patterns(timestamp=0)
    forget_old_patterns(timestamp=0)

    assert ScanMark.objects.get().through_at > NOW


@pytest.fixture
def moved(worn: Key, log: Log) -> Pattern:
    """An open pattern: the key was used from elsewhere."""
    log(worn, at=NOW - 10 * MINUTE, ip=ELSEWHERE)
    scan(NOW)
    return Pattern.objects.get()


def test_what_was_dismissed_is_not_raised_again_until_it_is_new(moved: Pattern, log: Log) -> None:
    moved.dismiss(reason="They moved", by=SETUP)

    log(moved.key, at=NOW + 10 * MINUTE, ip=ELSEWHERE)
    scan(NOW + HOUR)
    assert open_patterns() == []

    log(moved.key, at=NOW + 2 * HOUR, ip=ELSEWHERE)
    log(moved.key, at=NOW + 2 * HOUR, ip="192.0.2.1")
    scan(NOW + 3 * HOUR)
    assert open_patterns() == [("new_network", {"192.0.2.0/24": 1})]


def test_a_dismissed_key_that_goes_on_being_refused_stays_dismissed(acme_key: tuple[Key, str], log: Log) -> None:
    key, _ = acme_key
    key.revoke(by=SETUP)
    for day in range(100):
        at = NOW + day * DAY
        for minute in range(3):
            log(key, at=at - minute * MINUTE - HOUR, outcome=Outcome.REVOKED_KEY)
        ScanMark.objects.update_or_create(pk=1, defaults={"through_at": at - 2 * HOUR})
        scan(at)
        forget(at)
        for pattern in Pattern.objects.open():
            pattern.dismiss(reason="The partner knows", by=SETUP)

    dismissed = Pattern.objects.get()
    assert dismissed.found_at < NOW + 5 * DAY
    assert dismissed.last_at > NOW + 98 * DAY


def test_dismissing_says_who_when_and_why_and_leaves_an_event(moved: Pattern) -> None:
    moved.dismiss(reason="They moved", by=SETUP)

    moved.refresh_from_db()
    event = Event.objects.filter(kind="pattern.dismissed").get()
    assert (moved.closed_by, moved.closed_because) == ("tests", "They moved")
    assert moved.closed_at is not None
    assert (event.subject_label, event.partner_label) == (f"New network of addresses: {moved.key}", "Acme Media")
    assert event.changes == ["reason: They moved"]


def test_a_pattern_is_dismissed_once(moved: Pattern) -> None:
    same = Pattern.objects.get()
    moved.dismiss(reason="They moved", by=SETUP)

    with pytest.raises(AlreadyClosed, match="tests"):
        same.dismiss(reason="I was second", by=SETUP)

    assert Event.objects.filter(kind="pattern.dismissed").count() == 1
    assert Pattern.objects.get().closed_because == "They moved"


def test_what_somebody_has_not_seen_is_not_dismissed(moved: Pattern, log: Log) -> None:
    log(moved.key, at=NOW + 10 * MINUTE, ip="192.0.2.1")
    scan(NOW + HOUR)

    with pytest.raises(WentOn) as more:
        moved.dismiss(reason="They moved", by=SETUP, subjects=["198.51.100.0/24"])
    more.value.current.dismiss(reason="Both are theirs", by=SETUP, subjects=["192.0.2.0/24", "198.51.100.0/24"])

    assert open_patterns() == []


def test_what_closed_longer_ago_than_the_log_goes_back_is_forgotten(moved: Pattern, network: Network) -> None:
    moved.dismiss(reason="They moved", by=SETUP)
    closed_at = timezone.now()

    forget(closed_at + 89 * DAY)
    assert Pattern.objects.exists()
    forget(closed_at + 91 * DAY)

    assert not Pattern.objects.exists()
    assert not Habit.objects.exists()


def test_an_open_pattern_is_closed_when_the_log_no_longer_has_its_calls(moved: Pattern) -> None:
    forget(NOW + 91 * DAY)

    assert Pattern.objects.get().closed_because == "The API Log no longer has its calls."


def test_a_dismissed_key_that_is_still_unused_is_remembered(acme_key: tuple[Key, str]) -> None:
    Key.objects.update(created_at=NOW - 91 * DAY)
    scan(NOW)
    Pattern.objects.get().dismiss(reason="For Christmas", by=SETUP)

    later = timezone.now() + 200 * DAY
    forget(later)
    scan(later)

    assert Pattern.objects.get().closed_because == "For Christmas"


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"closed_at": NOW}, "pattern_closed_at_and_by"),
        ({"closed_by": "Nadia"}, "pattern_closed_at_and_by"),
        ({"closed_at": NOW, "closed_by": "Nadia"}, "pattern_closed_at_and_by"),
        ({"closed_because": "So it is"}, "pattern_closed_at_and_by"),
        ({"seen": {}}, "pattern_is_about_something"),
        ({"last_at": NOW - 100 * DAY}, "pattern_ends_after_its_start"),
    ],
)
def test_the_database_refuses_a_pattern_that_makes_no_sense(
    moved: Pattern, fields: dict[str, object], constraint: str
) -> None:
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Pattern.objects.filter(pk=moved.pk).update(**fields)


def test_the_database_refuses_a_second_open_pattern_of_a_rule_and_key(moved: Pattern) -> None:
    moved.pk = None

    with pytest.raises(IntegrityError, match="one_open_pattern_per_rule_and_key"), transaction.atomic():
        moved.save(force_insert=True)


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"kind": "mood"}, "habit_kind_is_known"),
        ({"calls": 0}, "habit_counts_calls"),
        ({"last_at": NOW - 100 * DAY}, "habit_ends_after_its_start"),
        ({"kind": "hour", "value": "14"}, "habit_stands_once"),
    ],
)
def test_the_database_refuses_a_habit_that_makes_no_sense(
    worn: Key, fields: dict[str, object], constraint: str
) -> None:
    habit = Habit.objects.get(kind="network")

    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Habit.objects.filter(pk=habit.pk).update(**fields)


def test_there_is_one_mark(worn: Key) -> None:
    with pytest.raises(IntegrityError, match="there_is_one_scan_mark"), transaction.atomic():
        ScanMark.objects.create(pk=2, through_at=NOW)
