"""A process of its own that relays a partner's events, a few at a time, for tests to kill.

    python -m tests.partners.firehose.relaying DATABASE PARTNER MOST [halt]

With ``halt`` it says so when JetStream has confirmed the first of them, and does nothing more.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
django.setup()

from django.conf import settings  # noqa: E402
from django.db import connection  # noqa: E402

from partners.firehose import jetstream as module  # noqa: E402
from partners.firehose.jetstream import JetStreamLog, Question, Server  # noqa: E402


class Halting(Server):
    """Goes no further than the first answer, with the transaction around the question open."""

    def ask(self, question: Question[Any]) -> Any:
        print(super().ask(question), flush=True)
        while True:
            signal.pause()


def main(database: str, partner_id: str, most: str, *halt: str) -> None:
    connection.settings_dict["NAME"] = database
    module.MOST_RELAYED = int(most)
    log = JetStreamLog((Halting if halt else Server)([settings.FIREHOSE_NATS_URL]))
    while log.relay(int(partner_id)):
        pass


if __name__ == "__main__":
    main(*sys.argv[1:])
