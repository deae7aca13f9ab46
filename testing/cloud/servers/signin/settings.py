"""Django's settings of the sign-up and sign-in site."""

import secrets

from cotenant_cloud import state as cloud
from cotenant_cloud.state import State

STATE = State.of_server()
SECRET_KEY = secrets.token_urlsafe(48)
ALLOWED_HOSTS = [cloud.SIGNUP_HOST, cloud.SIGNIN_HOST]
ROOT_URLCONF = "servers.signin.urls"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.idp.oidc",
    "captcha",
    "servers.signin",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]
PROCESSORS = (
    "django.template.context_processors.request",
    "django.contrib.auth.context_processors.auth",
    "django.contrib.messages.context_processors.messages",
)
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True, "OPTIONS": {"context_processors": PROCESSORS}}]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": STATE.site_database, "OPTIONS": {"timeout": 20}}}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = True
TIME_ZONE = "UTC"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [{"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 8}}]

# Not in a cookie: messages name people.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# TLS ends at the front.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_NAME = "aws-creds"
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
# Pages give their forms away as JSON when a step fails.
CSRF_FAILURE_VIEW = "servers.signin.steps.forged"

EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
EMAIL_HOST = STATE.address
EMAIL_PORT = cloud.SMTP
DEFAULT_FROM_EMAIL = f"no-reply@{cloud.SIGNUP_HOST}"

LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "servers.signin.adapters.Accounts"
ACCOUNT_FORMS = {
    "signup": "servers.signin.forms.SubmitAccessCode",
    "set_password": "servers.signin.forms.CompleteSignup",
    "login": "servers.signin.forms.ConsoleSignin",
}
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_SESSION_REMEMBER = False
# Many sign-ups from one address in a minute is what tests do.
ACCOUNT_RATE_LIMITS = False
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
IDP_OIDC_ADAPTER = "servers.signin.adapters.Provider"
IDP_OIDC_PRIVATE_KEY = (STATE.run / "oidc.key").read_text()

CAPTCHA_LENGTH = 6
CAPTCHA_TIMEOUT = 10
CAPTCHA_TEST_MODE = False
