from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

from portal.web.precedence import before_streams
from portal.web.stopping import stopping

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

stopping.watch()
application = before_streams(get_wsgi_application())
