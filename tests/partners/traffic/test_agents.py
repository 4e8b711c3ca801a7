from __future__ import annotations

import pytest

from partners.traffic.agents import agent_of, language_of

IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Mobile/15E148 Safari/604.1"  # fmt: skip # noqa: E501
ANDROID = "Mozilla/5.0 (Linux; Android {}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 {}Safari/537.36"


def test_an_agent_says_the_system_the_device_and_the_browser() -> None:
    agent = agent_of(IPHONE)

    assert (agent.platform, agent.os_version, agent.device_type) == ("iOS", "17.4", "Mobile")
    assert (agent.device_make, agent.device_model) == ("Apple", "iPhone")
    assert (agent.browser, agent.browser_version, agent.is_robot) == ("Mobile Safari", "17.4", False)


def test_a_device_that_does_not_tell_its_name_has_none() -> None:
    agent = agent_of(ANDROID.format("10; K", "Mobile "))

    assert (agent.platform, agent.device_type, agent.device_make, agent.device_model) == ("Android", "Mobile", "", "")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/17.4 Safari/605.1.15", "Desktop"),
        ("Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) Chrome/126.0.0.0 Safari/537.36", "Desktop"),
        (ANDROID.format("14; SM-S928B", "Mobile "), "Mobile"),
        (ANDROID.format("13; SM-X906C", ""), "Tablet"),
        ("Mozilla/5.0 (iPad; CPU OS 17_4 like Mac OS X) Version/17.4 Mobile/15E148 Safari/604.1", "Tablet"),
        (ANDROID.format("12; AFTSSS", "Mobile "), "TV"),
        ("Mozilla/5.0 (SMART-TV; Linux; Tizen 6.0) Version/6.0 TV Safari/538.1", "TV"),
        ("Mozilla/5.0 (Web0S; Linux/SmartTV) Chrome/79.0.3945.79 Safari/537.36", "TV"),
        ("Roku/DVP-9.10 (519.10E04111A)", "TV"),
        ("Mozilla/5.0 (PlayStation; PlayStation 5/2.26) Version/13.0 Safari/605.1.15", "Console"),
        ("something unheard of", ""),
    ],
)
def test_the_kind_of_device(text: str, kind: str) -> None:
    assert agent_of(text).device_type == kind


@pytest.mark.parametrize(
    "text",
    [
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/126.0.0.0 Safari/537.36",
        "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.1; +https://openai.com/gptbot)",
        "curl/8.5.0",
        "Wget/1.21.4",
        "python-requests/2.32.3",
        "Go-http-client/2.0",
        "Java/17.0.2",
        "",
        "   ",
    ],
)
def test_crawlers_and_programs_are_robots_and_so_is_who_says_nothing(text: str) -> None:
    agent = agent_of(text)

    assert (agent.is_robot, agent.device_type) == (True, "Robot")
    assert (agent.device_make, agent.device_model) == ("", "")


@pytest.mark.parametrize("model", ["CUBOT_X18", "CUBOT NOTE 20", "TB-8504F"])
def test_a_phone_is_no_robot_for_its_name(model: str) -> None:
    assert not agent_of(ANDROID.format(f"9; {model}", "Mobile ")).is_robot


@pytest.mark.parametrize("text", ["\x00\ud800" * 300, "(" * 5000, "Mozilla/5.0 " + "x" * 100_000])
def test_no_agent_is_too_strange(text: str) -> None:
    agent = agent_of(text)

    assert "\x00" not in agent.browser + agent.platform + agent.device_model


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("EN", "en"),
        ("zh_Hans", "zh"),
        ("fil;q=0.5", "fil"),
        ("*", ""),
        ("", ""),
        ("\x00", ""),
        ("x" * 500, ""),
    ],
)
def test_the_language_is_the_first_one_without_its_region(accepted: str, language: str) -> None:
    assert language_of(accepted) == language
