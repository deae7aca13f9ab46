"""Passwords come as JSON Web Encryption (RFC 7516) in compact form, made for the key in the page: a form that gets a clear one refuses it."""

from functools import cache

from django import forms
from jwcrypto.common import JWException
from jwcrypto.jwe import JWE
from jwcrypto.jwk import JWK

from cotenant_cloud.state import State

# RFC 7518 sections 4.3 and 5.3.
ALGORITHMS = ["RSA-OAEP-256", "RSA-OAEP", "A256GCM"]


@cache
def key() -> JWK:
    """The site's key."""
    return JWK.from_pem((State.of_server().run / "password.key").read_bytes())


def public_key() -> str:
    """What pages show: a JSON Web Key (RFC 7517) with its thumbprint as id."""
    made = JWK.from_json(key().export_public())
    made.update(kid=made.thumbprint(), use="enc", alg=ALGORITHMS[0])
    return made.export_public()


class EncryptedPassword(forms.CharField):
    """A form's field whose value is the password inside."""

    widget = forms.PasswordInput

    def clean(self, value: object) -> str:
        text = super().clean(value)
        token = JWE(algs=ALGORITHMS)
        try:
            token.deserialize(text, key())
            return token.payload.decode("utf-8")
        except (JWException, ValueError):
            raise forms.ValidationError("The password has to be encrypted to the key of this page (JWE).", code="jwe") from None
