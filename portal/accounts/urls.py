from __future__ import annotations

from django.urls import URLPattern, path

from portal.accounts.views import history, passwords, people, roles, signing_in, viewing

app_name = "accounts"

urlpatterns: list[URLPattern] = [
    path("sign-in/", signing_in.sign_in, name="sign_in"),
    path("sign-out/", signing_in.sign_out, name="sign_out"),
    path("password/", passwords.password_change, name="password_change"),
    path("password/forgotten/", passwords.password_reset, name="password_reset"),
    path("password/forgotten/sent/", passwords.password_reset_sent, name="password_reset_sent"),
    path("password/choose/<str:who>/<str:token>/", passwords.set_password, name="set_password"),
    path("view-as/", viewing.acquire, name="acquire"),
    path("view-as/stop/", viewing.release, name="release"),
    path("control-center/accounts/", people.network_users, name="list"),
    path("control-center/accounts/partners/", people.partner_users, name="partner_users"),
    path("control-center/accounts/invite/", people.invite, name="invite"),
    path("control-center/accounts/partners/invite/", people.invite_partner_user, name="invite_partner_user"),
    path("control-center/accounts/<int:user_id>/invite-again/", people.invite_again, name="invite_again"),
    path("control-center/accounts/<int:user_id>/role/", people.change_role, name="change_role"),
    path("control-center/accounts/<int:user_id>/deactivate/", people.deactivate, name="deactivate"),
    path("control-center/accounts/<int:user_id>/reactivate/", people.reactivate, name="reactivate"),
    path("control-center/security/", roles.security, name="security"),
    path("control-center/security/add/", roles.add_role, name="add_role"),
    path("control-center/security/<int:role_id>/", roles.edit_role, name="edit_role"),
    path("control-center/history/", history.history, name="history"),
    path("control-center/history/export.csv", history.export_history, {"file_format": "csv"}, name="history_csv"),
    path("control-center/history/export.json", history.export_history, {"file_format": "json"}, name="history_json"),
]
