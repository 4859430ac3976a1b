# /// script
# requires-python = ">=3.11"
# dependencies = ["playwright==1.*"]
# ///
"""Visits a running project with Chromium, as a person would. `test_browser.py` sends it.

    SITE=http://localhost:8000 STAFF_PASSWORD=… uv run --script visitor.py sign_up

Each story fails if the page does not come to show what it should, if JavaScript reports an error,
or if the server does.
"""

import os
import sys
import time
from pathlib import Path

from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Locator,
    Page,
    Response,
    expect,
    sync_playwright,
)

SITE = os.environ["SITE"]
STAFF = "grace@example.com"
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)

TIMEOUT = 15_000
"""Milliseconds: what beat brings only after a minute comes too late."""

expect.set_options(timeout=TIMEOUT)


class Visitors:
    """People, each with their own browser, and what went wrong in any of them."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.problems: list[str] = []

    def new(self) -> Page:
        context = self.browser.new_context(base_url=SITE)
        context.set_default_timeout(TIMEOUT)
        context.on("weberror", lambda event: self.problems.append(str(event.error)))
        context.on("console", self._on_console)
        context.on("response", self._on_response)
        return context.new_page()

    def signed_up(self, name: str) -> Page:
        page = self.new()
        page.goto("/")
        page.get_by_role("navigation").get_by_role("link", name="Sign up").click()
        page.get_by_label("Name").fill(name)
        page.get_by_label("Email address").fill(address(name))
        page.get_by_label("Password:", exact=True).fill("difference-engine")
        page.get_by_label("Password confirmation:").fill("difference-engine")
        page.get_by_role("button", name="Sign up").click()
        expect(page.get_by_role("status")).to_contain_text(f"Welcome, {name}!")
        return page

    def staff(self) -> Page:
        page = self.new()
        page.goto("/")
        page.get_by_role("navigation").get_by_role("link", name="Log in").click()
        page.get_by_label("Email address").fill(STAFF)
        page.get_by_label("Password").fill(os.environ["STAFF_PASSWORD"])
        page.get_by_role("button", name="Log in").click()
        expect(page.locator("main")).to_contain_text("You are signed in as Grace.")
        return page

    def _on_console(self, message: ConsoleMessage) -> None:
        where = message.location["url"]
        # Django's admin has no icon, so the browser looks for one by itself.
        expected = where.endswith("/favicon.ico") or "429 (Too Many Requests)" in message.text
        if message.type == "error" and not expected:
            self.problems.append(f"{message.page.url}: {where}: {message.text}")

    def _on_response(self, response: Response) -> None:
        if response.status >= 500:
            self.problems.append(f"{response.url}: HTTP {response.status}")


def sign_up(visitors: Visitors) -> None:
    """The welcome comes, its link confirms the address, the workflow sleeps, the wait is skipped by
    keyboard alone, and the follow-up comes."""
    page = visitors.signed_up("Ada")
    page.get_by_role("link", name="Onboarding").click()
    main = page.locator("main")
    expect(main).to_contain_text("Waiting until")
    assert subjects(page, to="Ada") == ["Welcome!"]
    confirm(page, "Ada")

    page.goto("/workflows/onboarding/")
    walk_to(page, page.get_by_role("button", name="Skip the wait"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("The follow-up is on its way.")
    expect(main).to_contain_text("Done.")
    assert sorted(subjects(page, to="Ada")) == ["How's it going?", "Welcome!"]


def orders(visitors: Visitors) -> None:
    """One is shipped, one is too dear; a second window shows both without being loaded again."""
    page = visitors.signed_up("Charles")
    window = page.context.new_page()
    for one in (page, window):
        one.goto("/")
        one.get_by_role("link", name="Orders").click()
    expect(window.locator("main")).to_contain_text("No order was placed yet.")
    stay(window)

    # What the form offers first must work.
    page.get_by_label("Ship to").fill("1 Dorset Street, London")
    page.get_by_role("button", name="Order").click()
    expect(page.get_by_role("status")).to_contain_text("is placed.")
    row = window.get_by_role("row").filter(has_text="1 Dorset Street")
    expect(row).to_contain_text("Kettle")
    expect(row).to_contain_text("shipped")

    page.get_by_label("Product").select_option(label="Bicycle (749.00, 2 in stock)")
    page.get_by_label("Ship to").fill("2 Dorset Street, London")
    page.get_by_role("button", name="Order").click()
    row = window.get_by_role("row").filter(has_text="2 Dorset Street")
    expect(row).to_contain_text("cancelled: the card's limit is 500.00")
    assert stayed(window)


def approval(visitors: Visitors) -> None:
    """Staff approve what somebody asked for, whose open page comes to show it, and by whom."""
    page = visitors.signed_up("Mary")
    page.get_by_role("link", name="Approvals").click()
    page.get_by_label("What").fill("A telescope")
    page.get_by_role("button", name="Ask").click()
    row = page.get_by_role("row").filter(has_text="A telescope")
    expect(row).to_contain_text("waiting")
    stay(page)

    staff = visitors.staff()
    staff.goto("/approvals/")
    staff.get_by_role("link", name="A telescope").click()
    staff.get_by_label("Reason").fill("For the comets.")
    staff.get_by_role("button", name="Approve").click()
    expect(staff.get_by_role("status")).to_contain_text("It is approved.")

    expect(row).to_contain_text("approved")
    assert stayed(page)
    page.get_by_role("link", name="A telescope").click()
    expect(page.locator("main")).to_contain_text(f"By {STAFF}")
    expect(page.locator("main")).to_contain_text("For the comets.")


def announcement(visitors: Visitors) -> None:
    """Staff write to everybody, and watch until all of it is sent."""
    confirm(visitors.signed_up("Sophie"), "Sophie")
    visitors.signed_up("Eve")
    staff = visitors.staff()
    staff.get_by_role("link", name="Announcements").click()
    staff.get_by_label("Subject").fill("The engine runs")
    staff.get_by_label("Text").fill("Come and see.")
    staff.get_by_role("button", name="Send to everybody").click()
    expect(staff.get_by_role("heading", name="Done")).to_be_visible()
    assert "The engine runs" in subjects(staff, to="Sophie")
    assert "The engine runs" not in subjects(staff, to="Eve")  # who may have given any address


def password(visitors: Visitors) -> None:
    """Somebody has forgotten the password, is locked out, and comes in by a link."""
    page = visitors.signed_up("Alan")
    page.get_by_role("button", name="Log out").click()
    for _ in range(5):
        log_in(page, "Alan", "difference-machine")
    expect(page.get_by_role("heading", name="Too many attempts")).to_be_visible()
    log_in(page, "Alan", "difference-engine")
    expect(page.get_by_role("heading", name="Too many attempts")).to_be_visible()

    page.get_by_role("link", name="Forgot your password?").click()
    page.get_by_label("Email").fill(address("Alan"))
    page.get_by_role("button", name="Send me a link").click()
    expect(page.get_by_role("status")).to_contain_text("is on its way")
    follow(page, "Alan", "A new password")
    for field in ("New password:", "New password confirmation:"):
        page.get_by_label(field, exact=True).fill("analytical-engine")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("Your password is changed.")
    log_in(page, "Alan", "analytical-engine")
    expect(page.locator("main")).to_contain_text("You are signed in as Alan.")


def report(visitors: Visitors) -> None:
    """Staff order a report, and its page waits until a worker has made it."""
    staff = visitors.staff()
    staff.get_by_role("link", name="Report").click()
    staff.get_by_role("button", name="Make the report").click()
    expect(staff.get_by_role("columnheader", name="Sign-ups")).to_be_visible()
    expect(staff.get_by_role("row")).to_have_count(2)  # the head, and today


def confirm(page: Page, name: str) -> None:
    """Confirm somebody's address, as the welcome asks for."""
    follow(page, name, "Welcome!")
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("status")).to_contain_text("is confirmed.")


def follow(page: Page, name: str, subject: str) -> None:
    """Click the link in an e-mail, once it has come."""
    mail = page.get_by_role("article").filter(has_text=f"To {address(name)}")
    mail = mail.filter(has=page.get_by_role("heading", name=subject))
    end = time.monotonic() + TIMEOUT / 1000
    page.goto("/mails/")
    while not mail.count():
        assert time.monotonic() < end, f"{subject} has not come."
        page.reload()
    mail.get_by_role("link").click()


def log_in(page: Page, name: str, password: str) -> None:
    page.goto("/accounts/login/")
    page.get_by_label("Email address").fill(address(name))
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def walk_to(page: Page, button: Locator) -> None:
    """Come to a button by the keyboard, and stay on it while its region is replaced twice."""
    while not button.evaluate("button => button === document.activeElement"):
        page.keyboard.press("Tab")
    for _ in range(2):
        button.evaluate("button => button.dataset.old = true")
        expect(page.locator("[data-old]")).to_have_count(0)
    expect(button).to_be_focused()


def failed_work(visitors: Visitors) -> None:
    """Two people run a failed task again at the same time, one on a phone and by keyboard alone."""
    people = [visitors.staff(), visitors.staff()]
    phone, other = people
    phone.set_viewport_size({"width": 390, "height": 844})
    phone.goto("/")
    expect(phone.get_by_role("link", name="Tasks: 1 failed")).to_be_visible()
    fits(phone)
    tab_to(phone, "[aria-label='Tasks: 1 failed']")
    phone.keyboard.press("Enter")
    expect(phone.get_by_role("row").filter(has_text="it is broken")).to_contain_text("failed")
    other.goto(phone.url)

    tab_to(phone, "input.action-select")
    phone.keyboard.press("Space")
    tab_to(phone, "select[name=action]", "Shift+Tab")
    phone.keyboard.type("Run")  # a blank would open the list
    tab_to(phone, "button[name=index]")
    other.locator("input.action-select").check()
    other.get_by_label("Action:").select_option("run_again")
    Path(os.environ["REPAIRED"]).touch()
    phone.keyboard.press("Enter")
    other.locator("button[name=index]").click()
    answers = [page.locator(".messagelist").inner_text() for page in people]
    assert sorted("Run again. 1 of 1." in answer for answer in answers) == [False, True], answers
    other.goto("/admin/tasks/failedtask/")
    eventually(other, "succeeded meanwhile")
    other.locator("#result_list").get_by_role("link", name="chores.tasks.deliver").click()
    other.get_by_role("link", name="History").click()
    expect(other.get_by_role("row").filter(has_text="Run again.")).to_have_count(1)


def restart(visitors: Visitors) -> None:
    """On a phone, by keyboard alone: look at a log, and restart processes, Django among them."""
    page = visitors.new()
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/")
    tab_to(page, "#log-celery-beat")
    page.keyboard.press("Enter")
    expect(page.locator("pre")).to_contain_text("INFO")
    fits(page)
    page.wait_for_timeout(2500)  # the page has looked again
    expect(page.locator("pre")).to_be_visible()
    expect(page.locator("#log-celery-beat")).to_be_focused()

    for name in ("celery-beat", "django"):
        tab_to(page, f"#restart-{name}")
        with page.expect_response("**/restart/**"):
            page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_contain_text(f"{name} is restarting.")
        # It goes with the first answer after that.
        expect(page.get_by_role("status")).to_have_count(0, timeout=60_000)
        expect(page.locator(f"#restart-{name}")).to_be_focused()
    # While Django was away, the page asked in vain.
    visitors.problems = [one for one in visitors.problems if "ERR_CONNECTION" not in one]
    visitors.problems = [one for one in visitors.problems if "htmx:" not in one]


def fits(page: Page) -> None:
    """Nothing sticks out at the side."""
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def tab_to(page: Page, selector: str, key: str = "Tab") -> None:
    """Go there by keyboard."""
    for _ in range(200):
        page.keyboard.press(key)
        if page.evaluate("(there) => document.activeElement.matches(there)", selector):
            return
    raise AssertionError(f"{selector} cannot be reached by {key}")


def eventually(page: Page, text: str) -> None:
    """Load the page anew until it shows the text."""
    for _ in range(TIMEOUT // 500):
        if text in page.content():
            return
        page.wait_for_timeout(500)
        page.reload()
    raise AssertionError(f"{text} is not shown")


def address(name: str) -> str:
    return f"{name.lower()}@example.com"


def subjects(page: Page, to: str) -> list[str]:
    """What the page of sent e-mails shows for somebody, in a second window."""
    window = page.context.new_page()
    window.goto("/")
    window.get_by_role("link", name="Sent e-mails").click()
    expect(window.get_by_role("heading", name="Sent e-mails")).to_be_visible()
    mails = window.get_by_role("article").filter(has_text=f"To {address(to)}")
    found = mails.get_by_role("heading").all_inner_texts()
    window.close()
    return found


def stay(page: Page) -> None:
    """Mark the page, for `stayed` to tell whether it was loaded again since."""
    page.evaluate("window.stayed = true")


def stayed(page: Page) -> bool:
    return page.evaluate("window.stayed === true")


def main() -> None:
    story = {function.__name__: function for function in STORIES}[sys.argv[1]]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ["CHROMIUM"], args=FLAGS)
        visitors = Visitors(browser)
        story(visitors)
        assert not visitors.problems, "\n".join(visitors.problems)
        browser.close()


STORIES = (sign_up, orders, approval, announcement, password, report, failed_work, restart)

if __name__ == "__main__":
    main()
