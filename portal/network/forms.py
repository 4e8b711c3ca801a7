from __future__ import annotations

from typing import ClassVar

from portal.network.models import Network
from portal.web.edits import EditForm


class NetworkForm(EditForm):
    class Meta:
        model = Network
        fields: ClassVar = ["name", "timezone", "currency", "support_name", "support_email", "tracking_domain"]
        help_texts: ClassVar = {
            "timezone": "Reports and dates in the API use it unless a call asks for another one.",
            "currency": "Amounts in the API are in it unless a call asks for another one.",
            "support_name": "Whom partners ask: a person or a team. Partners see it in My Account and in the guide.",
            "tracking_domain": "The host of tracking links, without https:// and without a path.",
        }

    def clean_tracking_domain(self) -> str:
        domain: str = self.cleaned_data["tracking_domain"]
        return domain.lower()
