from __future__ import annotations

from django.urls import URLPattern, path

from partners.postbacks.views import own, partner

app_name = "postbacks"

ONE = "<int:postback_id>"
OF_PARTNER = "partners/<int:partner_id>/postbacks"

urlpatterns: list[URLPattern] = [
    path("my/postbacks/", own.postbacks, name="own"),
    path(f"my/postbacks/{ONE}/", own.report, name="own_report"),
    path(f"my/postbacks/{ONE}/attempts/<int:attempt_id>/", own.attempt, name="own_attempt"),
    path(f"my/postbacks/{ONE}/deliveries/<int:delivery_id>/retry/", own.retry, name="own_retry"),
    path(f"my/postbacks/{ONE}/test/", own.test, name="own_test"),
    path("my/postbacks/add/", own.add, name="own_add"),
    path(f"my/postbacks/{ONE}/edit/", own.edit, name="own_edit"),
    path(f"my/postbacks/{ONE}/pause/", own.pause, name="own_pause"),
    path(f"my/postbacks/{ONE}/resume/", own.resume, name="own_resume"),
    path(f"my/postbacks/{ONE}/remove/", own.remove, name="own_remove"),
    path(f"{OF_PARTNER}/", partner.postbacks, name="partner"),
    path(f"{OF_PARTNER}/{ONE}/", partner.report, name="partner_report"),
    path(f"{OF_PARTNER}/{ONE}/attempts/<int:attempt_id>/", partner.attempt, name="partner_attempt"),
    path(f"{OF_PARTNER}/{ONE}/deliveries/<int:delivery_id>/retry/", partner.retry, name="partner_retry"),
    path(f"{OF_PARTNER}/{ONE}/test/", partner.test, name="partner_test"),
    path(f"{OF_PARTNER}/add/", partner.add, name="partner_add"),
    path(f"{OF_PARTNER}/{ONE}/edit/", partner.edit, name="partner_edit"),
    path(f"{OF_PARTNER}/{ONE}/pause/", partner.pause, name="partner_pause"),
    path(f"{OF_PARTNER}/{ONE}/resume/", partner.resume, name="partner_resume"),
    path(f"{OF_PARTNER}/{ONE}/remove/", partner.remove, name="partner_remove"),
]
