"""The steps before django-allauth's own: e-mail, CAPTCHA, access code, whether there is a second factor. State is in the session; answers are JSON.

Each has the name that the paper's Tables 1 and 2 give it (Secure Agents).
"""

from allauth.account.utils import filter_users_by_email
from allauth.mfa.utils import is_mfa_enabled
from captcha.fields import CaptchaField
from django import forms
from django.core import signing
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET, require_POST

from . import metadata
from .passwords import public_key

ACCESS_CODE_SECONDS = 600
EMAIL, CAPTCHA = "step-email", "step-captcha"


class Email(forms.Form):
    """An address."""

    email = forms.EmailField()


class Captcha(forms.Form):
    """A key and what somebody has read on its image (`captcha_0`, `captcha_1`)."""

    captcha = CaptchaField()


@require_GET
@ensure_csrf_cookie
def page(request: HttpRequest) -> HttpResponse:
    """InitialRequest: the page with its keys; begins a session."""
    request.session.setdefault("began", True)
    return render(request, "site/page.html", {"public_key": public_key(), "metadata_key": metadata.KEY.hex()})


@require_POST
def submit_email(request: HttpRequest) -> JsonResponse:
    """SubmitEmail and SendEmail: begins again, and asks for a CAPTCHA."""
    form = Email(request.POST)
    wrong = metadata.check(request.POST.get("metadata1", ""))
    if wrong or not form.is_valid():
        return refused(wrong or form.errors)
    request.session[EMAIL] = form.cleaned_data["email"].lower()
    request.session[CAPTCHA] = False
    return JsonResponse({"next": "captcha"})


@require_POST
def verify_captcha(request: HttpRequest) -> JsonResponse:
    """VerifyCaptcha: a CAPTCHA is used up whatever was read."""
    form = Captcha(request.POST)
    if EMAIL not in request.session or not form.is_valid():
        return refused(form.errors or "no e-mail was submitted")
    request.session[CAPTCHA] = True
    return JsonResponse({"next": "access-code"})


@require_GET
def access_code(request: HttpRequest) -> JsonResponse:
    """GetAccessCode: says for ten minutes that this session has read a CAPTCHA for this address."""
    if not request.session.get(CAPTCHA):
        return refused("a CAPTCHA has to be read first")
    return JsonResponse({"access_code": signing.dumps([request.session.session_key, request.session[EMAIL]], salt="access-code")})


def is_access_code(request: HttpRequest, code: str, email: str) -> bool:
    """Whether it is this session's, for this address, and not old."""
    try:
        told = signing.loads(code, salt="access-code", max_age=ACCESS_CODE_SECONDS)
    except signing.BadSignature:
        return False
    return told == [request.session.session_key, email.lower()]


@require_POST
def send_captcha(request: HttpRequest) -> JsonResponse:
    """SendCaptcha: the same at sign-in, with the address once more."""
    wrong = metadata.check(request.POST.get("metadata1", ""))
    if wrong or request.POST.get("email", "").lower() != request.session.get(EMAIL):
        return refused(wrong or "another e-mail than before")
    return verify_captcha(request)


@require_POST
def check_mfa(request: HttpRequest) -> JsonResponse:
    """CheckMFA: whether the account wants a second factor. Somebody who has read a CAPTCHA may ask."""
    email = request.POST.get("email", "").lower()
    if not may_sign_in(request, email):
        return refused("a CAPTCHA has to be read first")
    users = filter_users_by_email(email, is_active=True, prefer_verified=True)
    return JsonResponse({"mfa": "TOTP" if users and is_mfa_enabled(users[0]) else "NONE"})


def may_sign_in(request: HttpRequest, email: str) -> bool:
    """Whether this session has read a CAPTCHA for this address."""
    return bool(request.session.get(CAPTCHA)) and request.session.get(EMAIL) == email.lower()


def refused(why: object) -> JsonResponse:
    """400 with the reason."""
    return JsonResponse({"error": why}, status=400)


def forged(request: HttpRequest, reason: str = "") -> JsonResponse:
    """What Django answers to a request without the token against forged ones."""
    return JsonResponse({"error": reason}, status=403)
