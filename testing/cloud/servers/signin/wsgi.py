"""The program that gunicorn runs: makes keys and database first, and makes the console known as a client of the OpenID provider."""

import os
import secrets

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from cotenant_cloud.state import CONSOLE_HOST, State

os.environ["DJANGO_SETTINGS_MODULE"] = "servers.signin.settings"
STATE = State.of_server()


def make_keys() -> None:
    """RSA keys: one signs OpenID tokens, to the other clients encrypt passwords."""
    for name in ("oidc", "password"):
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        STATE.secret_file(STATE.run / f"{name}.key", key.private_bytes(*form).decode())


make_keys()

from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402

application = get_wsgi_application()


def make_client() -> None:
    """The console, with the secret that it reads from the state, and without a consent page: it is the provider's own."""
    from allauth.idp.oidc.models import Client

    client = Client(id="console", name="Console", type=Client.Type.CONFIDENTIAL, skip_consent=True)
    secret = secrets.token_urlsafe(32)
    client.set_secret(secret)
    client.set_redirect_uris([f"https://{CONSOLE_HOST}/accounts/oidc/cloud/login/callback/"])
    client.set_scopes(["openid", "email", "profile"])
    client.set_default_scopes(["openid", "email", "profile"])
    client.set_grant_types([Client.GrantType.AUTHORIZATION_CODE])
    client.set_response_types(["code"])
    client.save()
    STATE.secret_file(STATE.run / "console.secret", secret)


STATE.secret_file(STATE.site_database, "")
call_command("migrate", run_syncdb=True, verbosity=0)
make_client()
