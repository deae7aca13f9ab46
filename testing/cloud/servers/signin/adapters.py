"""What django-allauth lets a site decide: codes of six digits, where people go next, which claims an identity has."""

import secrets

from allauth.account.adapter import DefaultAccountAdapter
from allauth.idp.oidc.adapter import DefaultOIDCAdapter

from .models import CloudAccount


class Accounts(DefaultAccountAdapter):
    """Sign-up ends at billing; a mailed code has six digits, as people know it from clouds."""

    def generate_email_verification_code(self) -> str:
        return f"{secrets.randbelow(10**6):06}"

    def get_password_change_redirect_url(self, request: object) -> str:
        return "/billing/"


class Provider(DefaultOIDCAdapter):
    """Identities tell the console which account is theirs."""

    def get_claims(self, purpose, user, client, scopes, email=None, **kwargs) -> dict:
        claims = super().get_claims(purpose, user, client, scopes, email=email, **kwargs)
        account = CloudAccount.objects.filter(user=user).first()
        claims["account"] = account.number if account else ""
        return claims
