#!/usr/bin/python3
"""Works Roundcube's pages in a headless Chromium as a person does.

Reads its task as JSON from standard input, writes a screenshot per step and,
as JSON to standard output, what the pages showed. What it does goes to
standard error. The test in this directory judges.
"""

import json
import os
import sys
import time

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

PATIENCE = 20  # seconds
began = time.monotonic()


def say(text):
    print("%5.1f s  %s" % (time.monotonic() - began, text), file=sys.stderr, flush=True)


class Page:
    """The browser's window."""

    def __init__(self, task):
        self.task = task
        self.shots = 0
        options = webdriver.ChromeOptions()
        for flag in (
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--window-size=1500,1200",
            "--force-device-scale-factor=1",
            "--user-data-dir=" + task["profile"],
        ):
            options.add_argument(flag)
        options.binary_location = "/usr/bin/chromium"
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
        self.driver.set_window_size(1500, 1200)
        self.driver.execute_cdp_cmd(
            "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": task["downloads"]}
        )

    def shot(self, name):
        self.shots += 1
        path = os.path.join(self.task["shots"], "%02d-%s.png" % (self.shots, name))
        self.driver.get_screenshot_as_file(path)
        say(os.path.basename(path))

    def until(self, what, condition):
        """Waits until condition() is true, and returns it."""

        def met(_):
            try:
                return condition()
            except Exception:  # a page that changes under our hands
                return False

        return WebDriverWait(self.driver, PATIENCE, 0.1).until(met, "waited in vain: " + what)

    def one(self, css):
        """The first element that can be seen."""

        def seen():
            for e in self.driver.find_elements(By.CSS_SELECTOR, css):
                if e.is_displayed():
                    return e
            return None

        return self.until(css, seen)

    def click(self, css):
        self.one(css).click()

    def js(self, text, *args):
        return self.driver.execute_script(text, *args)

    def quiet(self):
        """Waits until Roundcube waits for nothing."""
        self.until("Roundcube to rest", lambda: self.js("return !rcmail.busy && !rcmail.env.search_request_pending && jQuery.active == 0"))

    def rows(self):
        """Subject and depth of the messages in the list, from the top."""
        return self.js(
            """
            return Array.from(document.querySelectorAll('#messagelist tbody tr.message')).filter(r => r.offsetParent).map(r => {
                const row = rcmail.message_list.rows[r.uid];
                return [r.querySelector('td.subject span.subject').innerText.trim(), row && row.depth || 0];
            });"""
        )

    def listed(self, n):
        """Waits for a list of n messages."""
        self.quiet()
        return self.until("%d messages" % n, lambda: len(self.rows()) == n and self.rows())

    def options(self, **choices):
        """The dialog of the list's options: order and mode."""
        self.click("#messagelist-header a.options")
        self.one(".ui-dialog select[name=sort_col]")
        for name, value in choices.items():
            Select(self.one(".ui-dialog select[name=%s]" % name)).select_by_value(value)
        return lambda: self.click(".ui-dialog-buttonset button.save")

    def find_row(self, subject):
        for r in self.driver.find_elements(By.CSS_SELECTOR, "#messagelist tbody tr.message"):
            if r.find_element(By.CSS_SELECTOR, "td.subject span.subject").text.strip() == subject:
                return r
        raise LookupError(subject)


def log_in(page):
    page.driver.get(page.task["url"])
    page.one("#rcmloginuser").send_keys(page.task["user"])
    page.one("#rcmloginpwd").send_keys(page.task["password"])
    page.shot("login")
    page.click("#rcmloginsubmit")
    page.one("#messagelist")


def sort_by_subject(page, count):
    save = page.options(sort_col="subject", sort_ord="ASC", mode="list")
    page.shot("options")
    before = page.rows()
    save()
    page.until("another order", lambda: page.rows() != before)
    rows = page.listed(count)
    page.shot("sorted-by-subject")
    return [subject for subject, _ in rows]


def search(page, what, name):
    box = page.one("#mailsearchform")
    box.clear()
    box.send_keys(what)
    box.send_keys(Keys.ENTER)
    page.until("a result", lambda: page.js("return !!rcmail.env.search_request"))
    page.quiet()
    time.sleep(0.3)
    page.quiet()
    rows = page.rows()
    page.shot(name)
    page.click(".searchbar a.reset")
    page.until("the whole list", lambda: not page.js("return rcmail.env.search_request"))
    page.quiet()
    return [subject for subject, _ in rows]


def threads(page, count):
    page.options(sort_col="", mode="threads")()
    page.until("threads", lambda: page.js("return !!rcmail.env.threading"))
    rows = page.listed(count)
    page.shot("threads")
    page.options(sort_col="", mode="list")()
    page.until("no threads", lambda: not page.js("return rcmail.env.threading"))
    page.listed(count)
    return rows


def attachment(page, name):
    """Opens the letter with attachments, looks at the picture, downloads the other one."""
    page.find_row("Holiday photos").click()
    page.driver.switch_to.frame(page.one("#messagecontframe"))
    link = page.until("the attachment", lambda: [a for a in page.driver.find_elements(By.CSS_SELECTOR, "#attachment-list a.filename") if name in a.text][0])
    page.driver.switch_to.default_content()
    page.shot("letter-with-attachments")
    page.driver.switch_to.frame(page.one("#messagecontframe"))
    link.click()
    path = os.path.join(page.task["downloads"], name)
    page.until("the download", lambda: os.path.exists(path) and not [f for f in os.listdir(page.task["downloads"]) if f.endswith(".crdownload")])
    page.driver.switch_to.default_content()
    return path


def flag(page, subject):
    row = page.find_row(subject)
    page.js("arguments[0].scrollIntoView({block: 'center'})", row)
    ActionChains(page.driver).move_to_element(row).perform()  # the flag shows under the pointer
    ActionChains(page.driver).move_to_element(row.find_element(By.CSS_SELECTOR, "td.flags span.flag")).click().perform()
    page.until("the flag", lambda: "flagged" in page.find_row(subject).get_attribute("class").split())
    page.quiet()
    page.shot("flagged")


def save_draft(page):
    page.click("a.compose")
    page.one(".recipient-input input").send_keys("juergen@example.org,")
    page.one("#compose-subject").send_keys(page.task["draft"])
    page.one("#composebody").send_keys("Grüße\n")
    page.shot("compose")
    page.click("a.save.draft, a.button.draft, a.draft")
    page.until("the draft", lambda: page.js("return !!rcmail.env.draft_id"))
    page.quiet()
    page.shot("draft-saved")
    page.driver.get(page.task["url"] + "?_task=mail&_mbox=Drafts")
    rows = page.listed(1)
    page.shot("drafts")
    return [subject for subject, _ in rows]


def share(page, folder, friend):
    """Gives somebody the right to write to a folder, in the settings, and reads who has which rights."""
    page.driver.get(page.task["url"] + "?_task=settings&_action=folders")

    page.until(folder, lambda: [a for a in page.driver.find_elements(By.CSS_SELECTOR, "#subscription-table li a") if a.text.strip() == folder][0]).click()
    page.driver.switch_to.frame(page.one("#preferences-frame"))
    page.click("#acllist-footer a.create")
    page.driver.switch_to.default_content()  # the dialog is the window's
    page.one(".ui-dialog #acluser").send_keys(friend)
    page.click(".ui-dialog label[for=aclwrite]")
    page.shot("share")
    page.click(".ui-dialog-buttonset button.mainaction")
    page.driver.switch_to.frame(page.one("#preferences-frame"))

    def table():
        rows = page.driver.find_elements(By.CSS_SELECTOR, "#acltable tbody tr")
        said = {r.get_attribute("data-userid"): [c.get_attribute("class").split()[-1] for c in r.find_elements(By.CSS_SELECTOR, "td")[1:]] for r in rows}
        return friend in said and said

    said = page.until("the new line", table)
    page.driver.switch_to.default_content()
    page.quiet()
    page.shot("shared")
    return said


def main():
    task = json.load(sys.stdin)
    page = Page(task)
    out = {"searches": {}}
    try:
        log_in(page)
        count = task["count"]
        page.listed(count)
        page.shot("inbox")
        out["subject"] = sort_by_subject(page, count)
        out["both"] = search(page, task["sorted"], "search-sorted")
        page.listed(count)
        out["threads"] = threads(page, count)
        for i, what in enumerate(task["searches"]):
            out["searches"][what] = search(page, what, "search%d" % (i + 1))
            page.listed(count)
        out["download"] = attachment(page, task["attachment"])
        flag(page, "cherry")
        out["drafts"] = save_draft(page)
        if task["share"]:
            out["shared"] = share(page, *task["share"])
        out["errors"] = [e["message"] for e in page.driver.get_log("browser") if e["level"] == "SEVERE"]
    except Exception:
        page.shot("failed")
        raise
    finally:
        page.driver.quit()
    json.dump(out, sys.stdout)


main()
