"""Every page and action of the site, and who gets what there."""

LOGIN = "login"  # 302 to the login page; every other 302 is an action done or a page that sends on
PEOPLE = ("anonymous", "alice", "bob", "vera", "charlie")
# Route: method, path, and what the stranger without a session, owner, member, viewer and the owner of another team get.
# {key}, {conversation} and {turn} are bob's, {provider} is Northlight's; forms are sent with a title and nothing else.
PAGES: dict[str, tuple[str, str, tuple[int | str, ...]]] = {
    "home": ("GET", "/", (LOGIN, 302, 302, 302, 302)),
    "welcome": ("GET", "/welcome/", (LOGIN, 200, 200, 200, 200)),
    "scheme": ("POST", "/scheme/", (302, 302, 302, 302, 302)),
    "healthz": ("GET", "/healthz", (200, 200, 200, 200, 200)),
    "readyz": ("GET", "/readyz", (200, 200, 200, 200, 200)),
    "account_login": ("GET", "/account/login/", (200, 302, 302, 302, 302)),
    "account_logout": ("GET", "/account/logout/", (LOGIN, 200, 200, 200, 200)),
    "account_signup": ("GET", "/account/signup/", (200, 302, 302, 302, 302)),
    "account_inactive": ("GET", "/account/inactive/", (200, 200, 200, 200, 200)),
    "account_change_password": ("GET", "/account/password/change/", (LOGIN, 200, 200, 200, 200)),
    "account_reset_password": ("GET", "/account/password/reset/", (200, 200, 200, 200, 200)),
    "account_reset_password_done": ("GET", "/account/password/reset/done/", (200, 200, 200, 200, 200)),
    "account_reset_password_from_key": ("GET", "/account/password/reset/key/1-a/", (200, 200, 200, 200, 200)),
    "account_reset_password_from_key_done": ("GET", "/account/password/reset/key/done/", (200, 200, 200, 200, 200)),
    "playground": ("GET", "/chat/", (LOGIN, 200, 200, 200, 200)),
    "conversation-list": ("GET", "/chat/list/", (LOGIN, 200, 200, 200, 200)),
    "start-conversation": ("POST", "/chat/start/", (LOGIN, 422, 422, 403, 422)),
    "conversation": ("GET", "/chat/{conversation}/", (LOGIN, 404, 200, 404, 404)),
    "add-turn": ("POST", "/chat/{conversation}/add/", (LOGIN, 404, 422, 403, 404)),
    "rename-conversation": ("POST", "/chat/{conversation}/rename/", (LOGIN, 404, 302, 404, 404)),
    "delete-conversation": ("POST", "/chat/{conversation}/delete/", (LOGIN, 404, 302, 404, 404)),
    "stop-turn": ("POST", "/chat/turns/{turn}/stop/", (LOGIN, 404, 302, 403, 404)),
    "retry-turn": ("POST", "/chat/turns/{turn}/retry/", (LOGIN, 404, 409, 403, 404)),
    "keys": ("GET", "/keys/", (LOGIN, 200, 200, 200, 200)),
    "create-key": ("POST", "/keys/create/", (LOGIN, 422, 422, 403, 422)),
    "revoke-key": ("POST", "/keys/{key}/revoke/", (LOGIN, 302, 302, 404, 404)),
    "providers": ("GET", "/providers/", (LOGIN, 200, 200, 200, 200)),
    "connect-provider": ("POST", "/providers/connect/", (LOGIN, 422, 403, 403, 422)),
    "test-provider": ("POST", "/providers/test/", (LOGIN, 422, 403, 403, 422)),
    "refresh-provider": ("POST", "/providers/{provider}/refresh/", (LOGIN, 502, 403, 403, 404)),
    "remove-provider": ("POST", "/providers/{provider}/remove/", (LOGIN, 409, 403, 403, 404)),
}
API = {"api_models", "api_model"}


def paths(method: str) -> list[str]:
    """Those that need no id."""
    return [path for wanted, path, _ in PAGES.values() if wanted == method and "{" not in path]
