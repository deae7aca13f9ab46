"""The console's pages. `accounts/` is django-allauth's: its sign-in goes to the provider, and its callback comes from there."""

from allauth.socialaccount.models import SocialAccount
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import include, path
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET, require_POST

from cotenant_cloud.internal import ask
from cotenant_cloud.progress import CloudError
from cotenant_cloud.state import State

STATE = State.of_server()


def account_of(request: HttpRequest) -> str:
    """The number of the account whose owner is signed in; empty if sign-up was not finished."""
    told = SocialAccount.objects.get(user=request.user).extra_data
    claims = told.get("userinfo") or told.get("id_token") or told
    return claims.get("account", "")


@require_GET
@ensure_csrf_cookie
def home(request: HttpRequest) -> HttpResponse:
    """ConsoleRedirect2: where a sign-in ends; and GetSigninConsole, where one begins."""
    if not request.user.is_authenticated:
        return HttpResponseRedirect("/accounts/oidc/cloud/login/")
    return HttpResponse(f"<!doctype html><title>Console</title><h1>Console</h1><p>Account {account_of(request)}</p>\n")


@require_POST
def create_access_key(request: HttpRequest) -> JsonResponse:
    """CreateAWSCredentials: an access key of the account's owner."""
    if not request.user.is_authenticated:
        return JsonResponse({"error": "nobody is signed in"}, status=401)
    account = account_of(request)
    if not account:
        return JsonResponse({"error": "sign-up was not finished"}, status=403)
    try:
        key = ask(STATE, "POST", f"/access-keys/{account}")
    except CloudError as error:
        return JsonResponse({"error": str(error)}, status=409)
    return JsonResponse({"accessKeyId": key["access_key_id"], "secretAccessKey": key["secret_access_key"], "account": account})


urlpatterns = [
    path("", home),
    path("iam/access-keys", create_access_key),
    path("accounts/", include("allauth.urls")),
]
