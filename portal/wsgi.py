from __future__ import annotations

import gc
import os

from django.core.wsgi import get_wsgi_application

from portal.web.precedence import before_streams
from portal.web.stalling import ending_stalled
from portal.web.stopping import stopping

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

stopping.watch()
site = ending_stalled(get_wsgi_application())

# Only now can models be imported.
from partners.traffic.arrivals.middleware import links_first  # noqa: E402

application = before_streams(links_first(site))

# What is here by now stays. Looking through it for garbage takes a third of the time of an answer with thousands of
# lines, whose objects are what has the collector look so often.
gc.freeze()
