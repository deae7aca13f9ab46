"""The steps after the password: contact, card and phone. When all of it is there the account is opened, with a number of twelve digits.

Nothing is charged and nobody is called: a card is checked by its digits (ISO/IEC 7812-1, Luhn), and text messages go to a file in the state.
"""

import secrets
from collections.abc import Callable
from functools import wraps

from django import forms
from django.core import signing
from django.core.validators import RegexValidator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_POST

from cotenant_cloud.internal import ask
from cotenant_cloud.state import State

from .models import CloudAccount
from .steps import refused

STATE = State.of_server()


class Contact(forms.Form):
    """Who and where."""

    name = forms.CharField(max_length=100)
    address = forms.CharField(max_length=200)
    city = forms.CharField(max_length=100)
    postal_code = forms.CharField(max_length=20)
    country = forms.CharField(validators=[RegexValidator("^[A-Z]{2}$")])
    phone = forms.CharField(validators=[RegexValidator(r"^\+[1-9][0-9]{6,14}$")])


class CardNumber(forms.Form):
    """A number that could be one."""

    number = forms.CharField(validators=[RegexValidator("^[0-9]{13,19}$")])

    def clean_number(self) -> str:
        number = self.cleaned_data["number"]
        doubled = (int(digit) * (1 + at % 2) for at, digit in enumerate(reversed(number)))
        if sum(value // 10 + value % 10 for value in doubled) % 10:
            raise forms.ValidationError("This is no card's number.")
        return number


class Card(CardNumber):
    """The rest of it, and the token of the check before."""

    token = forms.CharField()
    holder = forms.CharField(max_length=100)
    month = forms.IntegerField(min_value=1, max_value=12)
    year = forms.IntegerField(min_value=2024, max_value=2099)
    code = forms.CharField(validators=[RegexValidator("^[0-9]{3,4}$")])


def for_account(view: Callable[[HttpRequest, CloudAccount], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Only for somebody with a password; finds the account or begins it."""

    @wraps(view)
    def wrapped(request: HttpRequest) -> HttpResponse:
        if not request.user.is_authenticated or not request.user.has_usable_password():
            return JsonResponse({"error": "sign-up is not complete"}, status=401)
        account, _ = CloudAccount.objects.get_or_create(user=request.user)
        return view(request, account)

    return wrapped


@ensure_csrf_cookie
@for_account
def page(request: HttpRequest, account: CloudAccount) -> HttpResponse:
    """InitiateBilling: the page, which says what is still missing."""
    missing = [name for name, there in (("contact", account.contact), ("card", account.card), ("phone", account.number)) if not there]
    return render(request, "site/billing.html", {"missing": missing, "number": account.number})


@require_POST
@for_account
def contact(request: HttpRequest, account: CloudAccount) -> JsonResponse:
    """SubmitInfo: keeps it, and sends a code to the phone."""
    form = Contact(request.POST)
    if not form.is_valid():
        return refused(form.errors)
    account.contact = form.cleaned_data
    account.phone_code = f"{secrets.randbelow(10**6):06}"
    account.save()
    with STATE.text_messages.open("a") as messages:
        messages.write(f"{form.cleaned_data['phone']}\t{account.phone_code}\n")
    return JsonResponse({"next": "card"})


@require_POST
@for_account
def check_card(request: HttpRequest, account: CloudAccount) -> JsonResponse:
    """PrereqCredit: whether the number could be one; the token says so for some minutes."""
    form = CardNumber(request.POST)
    if not form.is_valid():
        return refused(form.errors)
    return JsonResponse({"token": signing.dumps([account.pk, digest(form.cleaned_data["number"])], salt="card")})


@require_POST
@for_account
def submit_card(request: HttpRequest, account: CloudAccount) -> JsonResponse:
    """SubmitCredit: all of the card, of which little is kept."""
    form = Card(request.POST)
    if not form.is_valid():
        return refused(form.errors)
    card = form.cleaned_data
    try:
        checked = signing.loads(card["token"], salt="card", max_age=600)
    except signing.BadSignature:
        checked = None
    if checked != [account.pk, digest(card["number"])]:
        return refused("another card than the one that was checked")
    account.card = {"last": card["number"][-4:], "month": card["month"], "year": card["year"]}
    account.save()
    return JsonResponse({"next": "phone"})


@require_POST
@for_account
def verify_phone(request: HttpRequest, account: CloudAccount) -> JsonResponse:
    """VerifyPhone: the code of the text message; then the account is opened."""
    if not account.contact or not account.card:
        return refused("contact and card come first")
    code, account.phone_code = account.phone_code, ""
    account.save()
    if not code or not secrets.compare_digest(code, request.POST.get("code", "")):
        return refused("the code is wrong, and used up")
    if not account.number:
        account.number = ask(STATE, "POST", "/accounts")["account"]
        account.save()
    return JsonResponse({"account": account.number})


def digest(number: str) -> str:
    """A keyed hash, so that the token tells nothing about the number."""
    return signing.Signer(salt="card-number").signature(number)
