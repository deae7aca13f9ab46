"""Addresses of the site. `accounts/` and `identity/` are django-allauth's, `captcha/` is django-simple-captcha's."""

from django.urls import include, path

from . import billing, steps

urlpatterns = [
    path("", steps.page),
    path("signup/email", steps.submit_email),
    path("signup/captcha", steps.verify_captcha),
    path("signup/access-code", steps.access_code),
    path("signin/email", steps.submit_email),
    path("signin/captcha", steps.send_captcha),
    path("signin/mfa", steps.check_mfa),
    path("billing/", billing.page),
    path("billing/contact", billing.contact),
    path("billing/card/check", billing.check_card),
    path("billing/card", billing.submit_card),
    path("billing/phone", billing.verify_phone),
    path("captcha/", include("captcha.urls")),
    path("accounts/", include("allauth.urls")),
    path("", include("allauth.idp.urls")),
]
