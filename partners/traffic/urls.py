from __future__ import annotations

from django.urls import URLPattern, path

from partners.traffic.views import network, own, rules

app_name = "traffic"

urlpatterns: list[URLPattern] = [
    path("my/conversions/", own.conversions, name="own"),
    path("my/conversions/on-hold/", own.on_hold, name="own_on_hold"),
    path("my/conversions/export/<str:form>/", own.export, name="own_export"),
    path("my/conversions/<uuid:conversion_id>/", own.conversion, name="own_conversion"),
    path("conversions/", network.conversions, name="network"),
    path("conversions/export/<str:form>/", network.export, name="export"),
    path("conversions/decide/", network.decide, name="decide"),
    path("conversions/<int:partner_id>/<uuid:conversion_id>/", network.conversion, name="conversion"),
    path("traffic-controls/", rules.controls, name="controls"),
    path("traffic-controls/add/", rules.add_control, name="add_control"),
    path("traffic-controls/<int:control_id>/edit/", rules.edit_control, name="edit_control"),
    path("traffic-controls/<int:control_id>/pause/", rules.pause_control, name="pause_control"),
    path("traffic-controls/<int:control_id>/resume/", rules.resume_control, name="resume_control"),
    path("partners/<int:partner_id>/blocks/", rules.blocks, name="blocks"),
    path("partners/<int:partner_id>/blocks/add/", rules.add_block, name="add_block"),
    path("partners/<int:partner_id>/blocks/<int:block_id>/lift/", rules.lift_block, name="lift_block"),
]
