"""The time zones the API and the settings offer, under the ids of the wire dialect (wire.md section 1).

Six ids are the dialect's; those from 200 on are ours. An id is never given to another zone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class TimeZone:
    """A zone as clients name it: by number, or by its name in the IANA database."""

    timezone_id: int
    timezone: str

    @property
    def timezone_name(self) -> str:
        """The name for people, e.g. "America / New York"."""
        return self.timezone.replace("/", " / ").replace("_", " ")

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    def utc_offset(self, at: datetime) -> str:
        """How far the zone is from UTC at ``at``, e.g. "-05:00"."""
        return at.astimezone(self.zone).isoformat()[-6:]


TIMEZONES: tuple[TimeZone, ...] = (
    TimeZone(67, "UTC"),
    TimeZone(80, "America/New_York"),
    TimeZone(85, "America/Chicago"),
    TimeZone(87, "America/Denver"),
    TimeZone(89, "America/Phoenix"),
    TimeZone(90, "America/Los_Angeles"),
    TimeZone(200, "Pacific/Midway"),
    TimeZone(201, "Pacific/Honolulu"),
    TimeZone(202, "America/Anchorage"),
    TimeZone(203, "America/Vancouver"),
    TimeZone(204, "America/Tijuana"),
    TimeZone(205, "America/Edmonton"),
    TimeZone(206, "America/Mexico_City"),
    TimeZone(207, "America/Winnipeg"),
    TimeZone(208, "America/Costa_Rica"),
    TimeZone(209, "America/Toronto"),
    TimeZone(210, "America/Bogota"),
    TimeZone(211, "America/Lima"),
    TimeZone(212, "America/Panama"),
    TimeZone(213, "America/Jamaica"),
    TimeZone(214, "America/Halifax"),
    TimeZone(215, "America/Caracas"),
    TimeZone(216, "America/La_Paz"),
    TimeZone(217, "America/Santiago"),
    TimeZone(218, "America/Puerto_Rico"),
    TimeZone(219, "America/St_Johns"),
    TimeZone(220, "America/Sao_Paulo"),
    TimeZone(221, "America/Argentina/Buenos_Aires"),
    TimeZone(222, "America/Montevideo"),
    TimeZone(223, "America/Nuuk"),
    TimeZone(224, "Atlantic/South_Georgia"),
    TimeZone(225, "Atlantic/Azores"),
    TimeZone(226, "Atlantic/Cape_Verde"),
    TimeZone(227, "Atlantic/Reykjavik"),
    TimeZone(228, "Africa/Casablanca"),
    TimeZone(229, "Africa/Accra"),
    TimeZone(230, "Europe/London"),
    TimeZone(231, "Europe/Dublin"),
    TimeZone(232, "Europe/Lisbon"),
    TimeZone(233, "Africa/Lagos"),
    TimeZone(234, "Africa/Algiers"),
    TimeZone(235, "Europe/Amsterdam"),
    TimeZone(236, "Europe/Berlin"),
    TimeZone(237, "Europe/Brussels"),
    TimeZone(238, "Europe/Copenhagen"),
    TimeZone(239, "Europe/Madrid"),
    TimeZone(240, "Europe/Oslo"),
    TimeZone(241, "Europe/Paris"),
    TimeZone(242, "Europe/Prague"),
    TimeZone(243, "Europe/Rome"),
    TimeZone(244, "Europe/Stockholm"),
    TimeZone(245, "Europe/Vienna"),
    TimeZone(246, "Europe/Warsaw"),
    TimeZone(247, "Europe/Zurich"),
    TimeZone(248, "Europe/Budapest"),
    TimeZone(249, "Europe/Athens"),
    TimeZone(250, "Europe/Bucharest"),
    TimeZone(251, "Europe/Helsinki"),
    TimeZone(252, "Europe/Kyiv"),
    TimeZone(253, "Europe/Riga"),
    TimeZone(254, "Europe/Sofia"),
    TimeZone(255, "Europe/Tallinn"),
    TimeZone(256, "Europe/Vilnius"),
    TimeZone(257, "Africa/Cairo"),
    TimeZone(258, "Africa/Johannesburg"),
    TimeZone(259, "Asia/Jerusalem"),
    TimeZone(260, "Asia/Beirut"),
    TimeZone(261, "Asia/Amman"),
    TimeZone(262, "Europe/Istanbul"),
    TimeZone(263, "Europe/Moscow"),
    TimeZone(264, "Europe/Minsk"),
    TimeZone(265, "Asia/Baghdad"),
    TimeZone(266, "Asia/Kuwait"),
    TimeZone(267, "Asia/Qatar"),
    TimeZone(268, "Asia/Riyadh"),
    TimeZone(269, "Africa/Nairobi"),
    TimeZone(270, "Asia/Tehran"),
    TimeZone(271, "Asia/Baku"),
    TimeZone(272, "Asia/Dubai"),
    TimeZone(273, "Asia/Tbilisi"),
    TimeZone(274, "Asia/Yerevan"),
    TimeZone(275, "Asia/Kabul"),
    TimeZone(276, "Asia/Karachi"),
    TimeZone(277, "Asia/Tashkent"),
    TimeZone(278, "Asia/Almaty"),
    TimeZone(279, "Asia/Yekaterinburg"),
    TimeZone(280, "Asia/Kolkata"),
    TimeZone(281, "Asia/Colombo"),
    TimeZone(282, "Asia/Kathmandu"),
    TimeZone(283, "Asia/Dhaka"),
    TimeZone(284, "Asia/Novosibirsk"),
    TimeZone(285, "Asia/Yangon"),
    TimeZone(286, "Asia/Bangkok"),
    TimeZone(287, "Asia/Ho_Chi_Minh"),
    TimeZone(288, "Asia/Jakarta"),
    TimeZone(289, "Asia/Hong_Kong"),
    TimeZone(290, "Asia/Kuala_Lumpur"),
    TimeZone(291, "Asia/Manila"),
    TimeZone(292, "Asia/Shanghai"),
    TimeZone(293, "Asia/Singapore"),
    TimeZone(294, "Asia/Taipei"),
    TimeZone(295, "Australia/Perth"),
    TimeZone(296, "Asia/Seoul"),
    TimeZone(297, "Asia/Tokyo"),
    TimeZone(298, "Australia/Adelaide"),
    TimeZone(299, "Australia/Darwin"),
    TimeZone(300, "Asia/Vladivostok"),
    TimeZone(301, "Australia/Brisbane"),
    TimeZone(302, "Australia/Hobart"),
    TimeZone(303, "Australia/Melbourne"),
    TimeZone(304, "Australia/Sydney"),
    TimeZone(305, "Pacific/Guam"),
    TimeZone(306, "Pacific/Noumea"),
    TimeZone(307, "Pacific/Auckland"),
    TimeZone(308, "Pacific/Fiji"),
    TimeZone(309, "Pacific/Tongatapu"),
    TimeZone(310, "Pacific/Apia"),
    TimeZone(311, "Pacific/Kiritimati"),
    TimeZone(312, "Australia/Lord_Howe"),
)

BY_ID: dict[int, TimeZone] = {zone.timezone_id: zone for zone in TIMEZONES}
BY_NAME: dict[str, TimeZone] = {zone.timezone: zone for zone in TIMEZONES}


def timezone_choices() -> list[tuple[str, str]]:
    return [(zone.timezone, zone.timezone_name) for zone in TIMEZONES]
