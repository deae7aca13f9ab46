"""Sign-up and sign-in from beginning to end: the requests of the paper's Tables 1 and 2 (Secure Agents), each under its name there."""

import re
import secrets
import time
from dataclasses import dataclass, field

from .clients import CONSOLE, MAIL, SIGNIN, SIGNUP, Browser, Page, ask_command

CARD = "4111111111111111"


@dataclass
class Person:
    """Somebody who signs up."""

    email: str = field(default_factory=lambda: f"p{secrets.token_hex(8)}@mail.example")
    mail_password: str = field(default_factory=lambda: secrets.token_urlsafe(18))
    password: str = field(default_factory=lambda: secrets.token_urlsafe(18))
    phone: str = field(default_factory=lambda: f"+1555{secrets.randbelow(10**7):07}")


class Walk:
    """A browser and a person; each method is one request, in the order of the tables."""

    def __init__(self, person: Person | None = None) -> None:
        self.person = person or Person()
        self.browser = Browser()
        self.page: Page | None = None

    def create_email(self):
        return self.browser.session.post(f"{MAIL}/accounts", json={"address": self.person.email, "password": self.person.mail_password})

    def initial_request(self, site: str = SIGNUP):
        answer = self.browser.get(site + "/")
        self.page = Page.of(answer.text)
        return answer

    def submit_email(self, site: str = f"{SIGNUP}/signup"):
        return self.browser.post(f"{site}/email", email=self.person.email, metadata1=self.page.metadata1())

    def request_captcha(self, site: str = SIGNUP) -> dict:
        return self.browser.get(f"{site}/captcha/refresh/", headers={"X-Requested-With": "XMLHttpRequest"}).json()

    def captcha_image(self, captcha: dict, site: str = SIGNUP):
        return self.browser.get(site + captcha["image_url"])

    def verify_captcha(self, captcha: dict, read: str):
        return self.browser.post(f"{SIGNUP}/signup/captcha", captcha_0=captcha["key"], captcha_1=read)

    def access_code(self):
        return self.browser.get(f"{SIGNUP}/signup/access-code")

    def submit_access_code(self, code: str):
        return self.browser.post(f"{SIGNUP}/accounts/signup/", email=self.person.email, access_code=code)

    def otp(self) -> str:
        """GetOTP, with the token that the mailbox wants before. A mail takes a moment."""
        mail = self.browser.session
        token = mail.post(f"{MAIL}/token", json={"address": self.person.email, "password": self.person.mail_password}).json()["token"]
        headers = {"Authorization": f"Bearer {token}"}
        for _ in range(100):
            found = mail.get(f"{MAIL}/messages", headers=headers).json()["hydra:member"]
            if found:
                text = mail.get(f"{MAIL}/messages/{found[0]['id']}", headers=headers).json()["text"]
                return re.search(r"^([0-9]{6})\s*$", text, re.MULTILINE)[1]
            time.sleep(0.1)
        raise AssertionError("no mail came")

    def verify_otp(self, code: str):
        return self.browser.post(f"{SIGNUP}/accounts/confirm-email/", code=code)

    def complete_signup(self, password: str):
        return self.browser.post(f"{SIGNUP}/accounts/password/set/", email=self.person.email, password1=password)

    def initiate_billing(self):
        return self.browser.get(f"{SIGNUP}/billing/")

    def submit_info(self):
        where = {"address": "1 Some Street", "city": "Sometown", "postal_code": "00001", "country": "DE"}
        return self.browser.post(f"{SIGNUP}/billing/contact", name="A Person", phone=self.person.phone, **where)

    def check_card(self, number: str = CARD):
        return self.browser.post(f"{SIGNUP}/billing/card/check", number=number)

    def submit_card(self, token: str, number: str = CARD):
        rest = {"holder": "A Person", "month": "12", "year": "2031", "code": "123"}
        return self.browser.post(f"{SIGNUP}/billing/card", token=token, number=number, **rest)

    def verify_phone(self, code: str):
        return self.browser.post(f"{SIGNUP}/billing/phone", code=code)

    def console_begins(self) -> str:
        """GetSigninConsole: where the console sends people who are not signed in."""
        return self.browser.get(f"{CONSOLE}/accounts/oidc/cloud/login/").headers["Location"]

    def send_captcha(self, captcha: dict, read: str):
        form = {"captcha_0": captcha["key"], "captcha_1": read, "metadata1": self.page.metadata1()}
        return self.browser.post(f"{SIGNIN}/signin/captcha", email=self.person.email, **form)

    def check_mfa(self):
        return self.browser.post(f"{SIGNIN}/signin/mfa", email=self.person.email)

    def console_signin(self, password: str):
        return self.browser.post(f"{SIGNIN}/accounts/login/", login=self.person.email, password=password, metadata1=self.page.metadata1())

    def create_credentials(self):
        return self.browser.post(f"{CONSOLE}/iam/access-keys")

    def read(self, captcha: dict) -> str:
        """What a person would read."""
        return ask_command("captcha", captcha["key"])["answer"]

    def to_captcha(self) -> dict:
        """Sign-up up to the CAPTCHA."""
        self.create_email()
        self.initial_request()
        self.submit_email()
        return self.request_captcha()

    def to_password(self) -> None:
        """Sign-up up to the password."""
        captcha = self.to_captcha()
        self.verify_captcha(captcha, self.read(captcha))
        self.submit_access_code(self.access_code().json()["access_code"])
        self.verify_otp(self.otp())

    def sign_up(self) -> str:
        """All of it; the account's number."""
        self.to_password()
        self.complete_signup(self.page.encrypted(self.person.password))
        self.submit_info()
        self.submit_card(self.check_card().json()["token"])
        code = ask_command("phone", self.person.phone)["message"]
        return self.verify_phone(code).json()["account"]

    def to_signin(self) -> str:
        """Sign-in up to the password; where the console wants people to be sent."""
        authorize = self.console_begins()
        self.initial_request(SIGNIN)
        self.submit_email(f"{SIGNIN}/signin")
        captcha = self.request_captcha(SIGNIN)
        self.send_captcha(captcha, self.read(captcha))
        return authorize
