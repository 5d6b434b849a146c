"""Looks at the page in headless Chromium: python3 fleet_www.py URL MQTT_PORT SCREENSHOT."""

import subprocess
import sys
import time

from webdriver import Browser

url, port, screenshot = sys.argv[1:]
# Epochs are greater than what a browser can tell from the next number.
EPOCH, now = 9007199254740993, int(time.time() * 1000)


def publish(topic, text):
    """An empty text clears what is retained."""
    what = ["-m", text] if text else ["-n"]
    subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", port, "-V", "311", "-q", "1", "-r",
                    "-t", f"readyd/1/{topic}", *what], check=True)


def status(node, state, epoch=EPOCH, at=now):
    publish(f"{node}/status", f'{{"state":"{state}","epoch":{epoch},"version":"0.2.0","time_ms":{at}}}')


def process(node, pid, verdict, name="worker", more='"status":null', epoch=EPOCH):
    publish(f"{node}/process/{pid}:{pid}5", f'{{"verdict":"{verdict}","reason":null,{more},"epoch":{epoch},'
            f'"seq":{pid},"time_ms":{now - 5000},"name":"{name}"}}')


def row(table, name):
    """The text of the row with that in its first cell; undefined before it is drawn."""
    return (f"[...document.querySelectorAll('#{table} tr')].filter(row => row.cells[0].textContent === '{name}')"
            ".map(row => [...row.cells].map(cell => cell.textContent).join('|'))[0]")


status("alpha", "online")
process("alpha", 41, "ready")
process("alpha", 42, "pending", name="<b>bold</b>")
process("alpha", 43, "exited", more='"status":null,"signal":9')
process("alpha", 44, "ready", epoch=EPOCH - 1)
status("beta", "offline")
process("beta", 51, "ready")
publish("gamma/status", "{not json")
status("silent", "online", at=now - 100000)

browser = Browser()
try:
    browser.open(url)
    # What was retained before it came. A ready process of another epoch, or of a node that is offline, does not count.
    browser.until(row("nodes", "alpha") + " === 'alpha|online|1|2|1'")
    browser.until(row("nodes", "beta") + " === 'beta|offline|0|1|0'")
    assert not browser.run("return " + row("nodes", "gamma")), "a bad message makes a node"
    assert browser.run("return fleet.refused") == 1
    # It is retained, but no node that runs has said nothing for so long.
    browser.until(row("nodes", "silent") + " === 'silent|unknown|0|0|0'")
    status("silent", "online", at=now - 100000)
    browser.until(row("nodes", "silent") + " === 'silent|online|0|0|0'")
    publish("silent/status", "")
    browser.run("[...document.querySelectorAll('#nodes tr')][0].click()")
    browser.until(row("processes", "41") + "?.startsWith('41|worker|ready|||')")
    browser.until(row("processes", "43") + "?.includes('|exited||signal 9|')")
    # Names are text, never markup.
    assert "<b>bold</b>" in browser.run("return " + row("processes", "42"))
    assert browser.run("return document.querySelectorAll('b').length") == 0
    assert browser.run("return document.querySelectorAll('tr.last-known').length") == 1
    # What changes while it is open.
    process("alpha", 42, "ready")
    browser.until(row("nodes", "alpha") + " === 'alpha|online|2|1|1'")
    publish("alpha/process/43:435", "")
    browser.until(row("nodes", "alpha") + " === 'alpha|online|2|1|0'")
    status("beta", "online")
    browser.until(row("nodes", "beta") + " === 'beta|online|1|0|0'")
    for i in range(20):
        status(f"node-{i:02}", "online" if i % 7 else "offline")
    browser.until("document.querySelectorAll('#nodes tr').length === 22")
    names = browser.run("return [...document.querySelectorAll('#nodes tr')].map(row => row.cells[0].textContent)")
    assert names == sorted(names), names
    browser.screenshot(screenshot)
    status("alpha", "offline")
    browser.until(row("nodes", "alpha") + " === 'alpha|offline|0|3|0'")
    browser.until("document.querySelectorAll('tr.last-known').length === 3")
    # A node that is cleared as a whole goes.
    publish("node-00/status", "")
    browser.until("document.querySelectorAll('#nodes tr').length === 21")
    complaints = [text for text in browser.complaints() if "favicon" not in text]
    assert not complaints, complaints
finally:
    browser.close()
