#!/usr/bin/env python3
"""Looks at the page that `nibble compare --report` writes as its readers do.

usage: check-report.py PAGE.html [--screenshots FOLDER] [--chromium PATH] [--driver PATH]

Opens the page from its file in headless Chromium, at 360 and 1,280 pixels,
light and dark, and fails where
  the console has an error, or the page asks for anything but itself,
  a figure of the page is not in the JSON beside it,
  axe-core finds a fault of accessibility: contrast, labels, order, names,
  the page is wider than the screen.

Needs Debian's chromium and chromium-driver, and from PyPI selenium and
axe-selenium-python, which brings axe-core (scripts/setup.sh --report).
"""

import argparse
import importlib.util
import json
import pathlib
import re
import shutil
import sys

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

WIDTHS = (360, 1280)
SCHEMES = ("light", "dark")
HEIGHT = 900


def axe_core():
    """The script of axe-core, out of the package that brings it."""
    package = importlib.util.find_spec("axe_selenium_python")
    folder = pathlib.Path(package.submodule_search_locations[0])
    return next(folder.rglob("axe.min.js")).read_text(encoding="utf-8")


def numbers(value):
    """All numbers of a JSON document."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return set()
    if isinstance(value, (int, float)):
        return {float(value)}
    parts = value.values() if isinstance(value, dict) else value
    return set().union(*(numbers(part) for part in parts)) if parts else set()


def unknown_figures(page):
    """Figures of the page that its JSON does not have."""
    known = numbers(json.loads(page.with_suffix(".json").read_text(encoding="utf-8")))
    found = [float(text) for text in re.findall(r'<data value="([^"]*)">', page.read_text(encoding="utf-8"))]
    if not found:
        return ["the page has no figures"]
    return [f"{value} is not in the JSON" for value in found if value not in known]


def look(driver, page, script, width, scheme, screenshots):
    """What is wrong with the page on one screen."""
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                           {"width": width, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": width < 600})
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia",
                           {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    driver.get(page.resolve().as_uri())
    if screenshots:
        driver.save_screenshot(str(screenshots / f"{page.stem}-{width}-{scheme}.png"))
    faults = [f"console: {entry['message']}" for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
    asked = driver.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    faults += [f"asks for {name}" for name in asked]
    own = driver.execute_script("return document.documentElement.scrollWidth")
    if own > width:
        faults.append(f"is {own} pixels wide")
    # What is folded has to be readable as well.
    driver.execute_script("document.querySelectorAll('details').forEach(part => { part.open = true })")
    driver.execute_script(script)
    result = driver.execute_async_script(
        "const done = arguments[0]; axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'best-practice']})"
        ".then(done, error => done({violations: [{id: String(error), nodes: []}]}))")
    for violation in result["violations"]:
        places = ", ".join(" ".join(map(str, node["target"])) for node in violation["nodes"][:3])
        faults.append(f"{violation['id']}: {violation.get('help', '')} ({len(violation['nodes'])} places: {places})")
    return [f"{width} pixels, {scheme}: {fault}" for fault in faults]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=pathlib.Path)
    parser.add_argument("--screenshots", type=pathlib.Path)
    parser.add_argument("--chromium", default=shutil.which("chromium"))
    parser.add_argument("--driver", default=shutil.which("chromedriver"))
    arguments = parser.parse_args()
    if not arguments.chromium or not arguments.driver:
        sys.exit("check-report.py: chromium and chromedriver are needed: scripts/setup.sh --report")
    if arguments.screenshots:
        arguments.screenshots.mkdir(parents=True, exist_ok=True)

    options = Options()
    options.binary_location = arguments.chromium
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    faults = unknown_figures(arguments.page)
    script = axe_core()
    driver = webdriver.Chrome(options=options, service=Service(arguments.driver))
    try:
        driver.set_script_timeout(120)
        for width in WIDTHS:
            for scheme in SCHEMES:
                faults += look(driver, arguments.page, script, width, scheme, arguments.screenshots)
    finally:
        driver.quit()
    for fault in faults:
        print(f"check-report.py: {arguments.page}: {fault}", file=sys.stderr)
    if faults:
        sys.exit(1)
    print(f"{arguments.page}: no fault at {len(WIDTHS)} widths, light and dark")


if __name__ == "__main__":
    main()
