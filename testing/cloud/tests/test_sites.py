"""Sign-up, sign-in, mailbox, console: the way through, and each refusal on it."""

import unittest

from .clients import CONSOLE, MAIL, SIGNIN, SIGNUP, ask_command, aws
from .walks import Person, Walk


class SignUp(unittest.TestCase):
    """The requests of Table 1."""

    def test_every_step_answers_and_the_account_can_be_used(self) -> None:
        walk = Walk()
        self.assertEqual(walk.create_email().status_code, 201)
        self.assertEqual(walk.initial_request().status_code, 200)
        self.assertEqual(walk.submit_email().json(), {"next": "captcha"})
        captcha = walk.request_captcha()
        self.assertTrue(walk.captcha_image(captcha).content.startswith(b"\x89PNG"))
        self.assertEqual(walk.verify_captcha(captcha, walk.read(captcha)).status_code, 200)
        code = walk.access_code().json()["access_code"]
        self.assertEqual(walk.submit_access_code(code).headers["Location"], "/accounts/confirm-email/")
        self.assertEqual(walk.verify_otp(walk.otp()).status_code, 302)
        before = walk.browser.cookie(SIGNUP)
        done = walk.complete_signup(walk.page.encrypted(walk.person.password))
        self.assertEqual((done.status_code, done.headers["Location"]), (302, "/billing/"))
        self.assertNotEqual(walk.browser.cookie(SIGNUP), before, "the cookie that all steps before could see is good no more")
        self.assertIn("contact, card, phone", walk.initiate_billing().text)
        self.assertEqual(walk.submit_info().status_code, 200)
        token = walk.check_card().json()["token"]
        self.assertEqual(walk.submit_card(token).status_code, 200)

    def test_cookie_before_the_password_is_worthless_afterwards(self) -> None:
        walk, thief = Walk(), Walk()
        walk.to_password()
        thief.browser.session.cookies.update(walk.browser.session.cookies.copy())
        self.assertEqual(thief.browser.get(f"{SIGNUP}/accounts/email/").status_code, 200)
        walk.complete_signup(walk.page.encrypted(walk.person.password))
        self.assertEqual(thief.browser.get(f"{SIGNUP}/accounts/email/").status_code, 302)

    def test_no_answer_sends_the_address_back(self) -> None:
        walk, answers = Walk(), []
        walk.browser.session.hooks["response"].append(lambda answer, **_: answers.append(answer))
        walk.sign_up()
        back = Walk(walk.person)
        back.browser.session.hooks["response"].append(lambda answer, **_: answers.append(answer))
        authorize = back.to_signin()
        back.check_mfa()
        back.console_signin(back.page.encrypted(walk.person.password))
        back.browser.get(back.browser.get(authorize).headers["Location"])
        back.browser.get(CONSOLE + "/")
        sites = [answer for answer in answers if not answer.url.startswith(MAIL)]
        self.assertGreater(len(sites), 20)
        for answer in sites:
            self.assertNotIn(walk.person.email.split("@")[0], answer.text + str(answer.headers), answer.url)
            self.assertFalse(set(answer.cookies.keys()) - {"aws-creds", "csrftoken"}, "a cookie for messages to people would name them, in an encoding")

    def test_wrong_captcha(self) -> None:
        walk = Walk()
        captcha = walk.to_captcha()
        self.assertEqual(walk.verify_captcha(captcha, "wrong!").status_code, 400)
        self.assertEqual(walk.access_code().status_code, 400)
        self.assertEqual(walk.verify_captcha(captcha, "wrong!").status_code, 400)

    def test_access_code_of_another_session_or_address(self) -> None:
        walk, other = Walk(), Walk()
        for each in (walk, other):
            captcha = each.to_captcha()
            each.verify_captcha(captcha, each.read(captcha))
        code = other.access_code().json()["access_code"]
        self.assertIn("access code is wrong", walk.submit_access_code(code).text)
        own = walk.access_code().json()["access_code"]
        walk.person.email = "x" + walk.person.email
        self.assertIn("access code is wrong", walk.submit_access_code(own).text)

    def test_wrong_code_of_the_mail(self) -> None:
        walk = Walk()
        captcha = walk.to_captcha()
        walk.verify_captcha(captcha, walk.read(captcha))
        walk.submit_access_code(walk.access_code().json()["access_code"])
        right = walk.otp()
        self.assertEqual(walk.verify_otp("000000" if right != "000000" else "000001").status_code, 200)
        self.assertEqual(walk.browser.get(f"{SIGNUP}/accounts/password/set/").status_code, 302)

    def test_clear_password(self) -> None:
        walk = Walk()
        walk.to_password()
        refused = walk.complete_signup(walk.person.password)
        self.assertEqual(refused.status_code, 200)
        self.assertIn("has to be encrypted", refused.text)
        self.assertEqual(walk.initiate_billing().status_code, 401)

    def test_password_encrypted_by_the_older_algorithm(self) -> None:
        walk = Walk()
        walk.to_password()
        self.assertEqual(walk.complete_signup(walk.page.encrypted(walk.person.password, "RSA-OAEP")).status_code, 302)

    def test_metadata_that_was_sent_before_or_is_old_or_is_none(self) -> None:
        walk = Walk()
        walk.initial_request()
        once = walk.page.metadata1()
        form = {"email": walk.person.email}
        self.assertEqual(walk.browser.post(f"{SIGNUP}/signup/email", metadata1=once, **form).status_code, 200)
        for metadata, why in ((once, "sent before"), (walk.page.metadata1(time=1), "old"), ("AAAAAAAAAAA=", "not what"), ("", "length")):
            answer = walk.browser.post(f"{SIGNUP}/signup/email", metadata1=metadata, **form)
            self.assertEqual(answer.status_code, 400)
            self.assertIn(why, answer.json()["error"])

    def test_form_without_its_token(self) -> None:
        walk = Walk()
        walk.initial_request()
        walk.browser.session.cookies.clear()
        self.assertEqual(walk.submit_email().status_code, 403)

    def test_card_and_phone(self) -> None:
        walk = Walk()
        walk.to_password()
        walk.complete_signup(walk.page.encrypted(walk.person.password))
        self.assertEqual(walk.check_card("4111111111111112").status_code, 400)
        token = walk.check_card().json()["token"]
        self.assertEqual(walk.submit_card(token, "5555555555554444").status_code, 400)
        self.assertIn("contact and card come first", walk.verify_phone("000000").text)
        walk.submit_info()
        walk.submit_card(token)
        right = ask_command("phone", walk.person.phone)["message"]
        self.assertEqual(walk.verify_phone("000000" if right != "000000" else "000001").status_code, 400)
        self.assertIn("used up", walk.verify_phone(right).text)


class SignIn(unittest.TestCase):
    """The requests of Table 2, up to an access key."""

    @classmethod
    def setUpClass(cls) -> None:
        walk = Walk()
        cls.account, cls.person = walk.sign_up(), walk.person

    def test_every_step_answers_and_the_key_works(self) -> None:
        walk = Walk(self.person)
        authorize = walk.to_signin()
        self.assertTrue(authorize.startswith(f"{SIGNIN}/identity/o/authorize?"))
        self.assertIn("code_challenge=", authorize)
        self.assertEqual(walk.check_mfa().json(), {"mfa": "NONE"})
        before = walk.browser.cookie(SIGNIN)
        self.assertEqual(walk.console_signin(walk.page.encrypted(self.person.password)).status_code, 302)
        self.assertNotEqual(walk.browser.cookie(SIGNIN), before)
        challenge = walk.browser.get(authorize)
        self.assertTrue(challenge.headers["Location"].startswith(f"{CONSOLE}/accounts/oidc/cloud/login/callback/?"))
        before = walk.browser.cookie(CONSOLE)
        self.assertEqual(walk.browser.get(challenge.headers["Location"]).headers["Location"], "/")
        self.assertNotEqual(walk.browser.cookie(CONSOLE), before)
        self.assertIn(self.account, walk.browser.get(CONSOLE + "/").text)
        made = walk.create_credentials().json()
        key = {"access_key_id": made["accessKeyId"], "secret_access_key": made["secretAccessKey"]}
        self.assertEqual(aws("sts", key).get_caller_identity()["Account"], self.account)

    def console_of(self, person: Person) -> Walk:
        """Somebody at the console."""
        walk = Walk(person)
        authorize = walk.to_signin()
        walk.console_signin(walk.page.encrypted(person.password))
        walk.browser.get(walk.browser.get(authorize).headers["Location"])
        walk.browser.get(CONSOLE + "/")
        return walk

    def test_two_keys_at_most(self) -> None:
        walk = Walk()
        walk.sign_up()
        console = self.console_of(walk.person)
        self.assertEqual([console.create_credentials().status_code for _ in range(3)], [200, 200, 409])

    def test_no_key_before_the_account_is_open(self) -> None:
        walk = Walk()
        walk.to_password()
        walk.complete_signup(walk.page.encrypted(walk.person.password))
        refused = self.console_of(walk.person).create_credentials()
        self.assertEqual((refused.status_code, refused.json()), (403, {"error": "sign-up was not finished"}))

    def test_wrong_password(self) -> None:
        walk = Walk(self.person)
        authorize = walk.to_signin()
        self.assertEqual(walk.console_signin(walk.page.encrypted("another-password")).status_code, 200)
        self.assertIn("/accounts/login/", walk.browser.get(authorize).headers["Location"])

    def test_clear_password(self) -> None:
        walk = Walk(self.person)
        walk.to_signin()
        self.assertIn("has to be encrypted", walk.console_signin(self.person.password).text)

    def test_no_captcha(self) -> None:
        walk = Walk(self.person)
        walk.initial_request(SIGNIN)
        walk.submit_email(f"{SIGNIN}/signin")
        self.assertEqual(walk.check_mfa().status_code, 400)
        self.assertIn("CAPTCHA has to be read", walk.console_signin(walk.page.encrypted(self.person.password)).text)

    def test_callback_with_another_state(self) -> None:
        walk, thief = Walk(self.person), Walk()
        authorize = walk.to_signin()
        walk.console_signin(walk.page.encrypted(self.person.password))
        address = walk.browser.get(authorize).headers["Location"]
        thief.browser.get(address)
        self.assertEqual(thief.browser.get(CONSOLE + "/").status_code, 302, "a code that was seen is of no use without the session that asked for it")
        walk.browser.get(address)
        self.assertEqual(walk.browser.get(CONSOLE + "/").status_code, 200)

    def test_console_without_session(self) -> None:
        walk = Walk()
        self.assertEqual(walk.browser.get(CONSOLE + "/").status_code, 302)
        walk.browser.session.cookies.set("csrftoken", "a" * 32, domain=CONSOLE.removeprefix("https://"))
        self.assertEqual(walk.create_credentials().status_code, 401)


class Mailbox(unittest.TestCase):
    """Boxes are of those who have their passwords."""

    def test_boxes(self) -> None:
        walk = Walk()
        self.assertEqual(walk.create_email().status_code, 201)
        self.assertEqual(walk.create_email().status_code, 422)
        walk.person.mail_password = "something else"
        session = walk.browser.session
        wrong = session.post(f"{MAIL}/token", json={"address": walk.person.email, "password": "something else"})
        self.assertEqual(wrong.status_code, 401)
        self.assertEqual(session.get(f"{MAIL}/messages", headers={"Authorization": "Bearer x"}).status_code, 401)

    def test_nobody_reads_the_mail_of_others(self) -> None:
        walk, other = Walk(), Walk(Person())
        captcha = walk.to_captcha()
        walk.verify_captcha(captcha, walk.read(captcha))
        walk.submit_access_code(walk.access_code().json()["access_code"])
        walk.otp()
        other.create_email()
        session = other.browser.session
        token = session.post(f"{MAIL}/token", json={"address": other.person.email, "password": other.person.mail_password}).json()["token"]
        found = session.get(f"{MAIL}/messages", headers={"Authorization": f"Bearer {token}"}).json()
        self.assertEqual(found["hydra:totalItems"], 0)


if __name__ == "__main__":
    unittest.main()
