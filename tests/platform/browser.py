"""A headless Chromium driven through its DevTools protocol: what the platform's tests need of a browser, no more."""

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import websocket

CANDIDATES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


class BrowserError(AssertionError):
    """A page did not do what was waited for; the message names the page, the wait and a screenshot."""


def find_chromium() -> str:
    """Return the browser's path: $HEADWATER_CHROMIUM, or the first of the usual names on PATH."""
    named = os.environ.get("HEADWATER_CHROMIUM")
    found = next((path for name in ([named] if named else CANDIDATES) if (path := shutil.which(name))), None)
    if found is None:
        raise BrowserError(f"no browser ({named or ', '.join(CANDIDATES)}): install Chromium or set HEADWATER_CHROMIUM")
    return found


@dataclass
class Browser:
    """One browser with one page and a profile of its own; it can reach addresses on this machine only.

    `pictures` is where failures leave their screenshot. `console` and `failed_requests` collect the page's errors;
    `received` has the path of each answer that has come to its end, and its bytes on the wire, 0 from the own cache.
    """

    pictures: Path
    width: int = 1440
    height: int = 1000
    console: list[str] = field(default_factory=list)
    failed_requests: list[str] = field(default_factory=list)
    received: list[tuple[str, int]] = field(default_factory=list)
    _paths: dict[str, str] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self._profile = tempfile.TemporaryDirectory(prefix="headwater-browser-", ignore_cleanup_errors=True)
        # Chromium's sandbox needs user namespaces, which root in a container lacks; the pages are our own.
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        self._log = (Path(self._profile.name) / "log").open("wb")
        self._process = subprocess.Popen(
            [
                *(find_chromium(), "--headless=new", *sandbox, "--disable-gpu", "--disable-dev-shm-usage"),
                *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
                *("--disable-quic", "--disable-default-apps", "--disable-extensions", "--mute-audio", "--lang=en-US"),
                *("--hide-scrollbars", "--force-color-profile=srgb", "--remote-debugging-port=0"),
                "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
                "--remote-allow-origins=*",
                f"--user-data-dir={self._profile.name}",
                f"--window-size={self.width},{self.height}",
                "about:blank",
            ],
            stdout=self._log,
            stderr=self._log,
        )
        try:
            self._connect(timeout_s=60)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()
        self._stop()

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(timeout=10)
        self._log.close()
        self._profile.cleanup()

    def _connect(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        port_file = Path(self._profile.name) / "DevToolsActivePort"
        while not (port_file.exists() and port_file.read_text().count("\n")):
            if self._process.poll() is not None or time.monotonic() > deadline:
                log = (Path(self._profile.name) / "log").read_text(errors="replace")[-2000:]
                raise BrowserError(f"Chromium did not start (exit status {self._process.poll()}):\n{log}")
            time.sleep(0.1)
        port, path = port_file.read_text().splitlines()[:2]
        self._sent = 0
        self._session: str | None = None
        self._socket = websocket.create_connection(f"ws://127.0.0.1:{port}{path}", timeout=60)
        target = next(info for info in self.call("Target.getTargets")["targetInfos"] if info["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a DevTools method and return its result; raises BrowserError with the browser's own message."""
        self._sent += 1
        message: dict[str, Any] = {"id": self._sent, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        self._socket.send(json.dumps(message))
        while True:
            answer = json.loads(self._socket.recv())
            if answer.get("id") == self._sent:
                if "error" in answer:
                    raise BrowserError(f"{method}: {answer['error'].get('message')}")
                return dict(answer["result"])
            self._observe(answer)

    def _observe(self, event: dict[str, Any]) -> None:
        parameters = event.get("params", {})
        match event.get("method"):
            case "Log.entryAdded" if parameters["entry"]["level"] == "error":
                self.console.append(parameters["entry"]["text"] + " " + parameters["entry"].get("url", ""))
            case "Runtime.exceptionThrown":
                self.console.append(json.dumps(parameters["exceptionDetails"])[:500])
            case "Network.responseReceived":
                status, url = parameters["response"]["status"], parameters["response"]["url"]
                self._paths[parameters["requestId"]] = urlsplit(url).path
                if status >= 400:
                    self.failed_requests.append(f"{status} {url}")
            case "Network.loadingFinished" if parameters["requestId"] in self._paths:
                path = self._paths.pop(parameters["requestId"])
                self.received.append((path, int(parameters["encodedDataLength"])))

    def open(self, url: str) -> None:
        """Start loading `url` and wait until the new document is parsed."""
        result = self.call("Page.navigate", url=url)
        if result.get("errorText"):
            raise BrowserError(f"{url}: {result['errorText']}")
        self.wait_for("document.readyState !== 'loading' && location.href !== 'about:blank'", f"{url} is loaded", 60)

    def evaluate(self, expression: str) -> Any:
        """Run JavaScript in the page and return its value as JSON has it."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise BrowserError(f"{expression}: {json.dumps(result['exceptionDetails'])[:800]}")
        return result["result"].get("value")

    def wait_for(self, condition: str, what: str, timeout_s: float) -> Any:
        """Ask the page four times a second until the JavaScript `condition` is truthy; returns its value.

        Raises BrowserError naming `what` was waited for, the page's text and a screenshot.
        """
        deadline = time.monotonic() + timeout_s
        trouble = ""
        while True:
            try:
                if value := self.evaluate(condition):
                    return value
            except BrowserError as error:
                # While a page gives way to the next there is nothing to ask; what stays wrong is in the message.
                trouble = f"\nlast error: {error}"
            if time.monotonic() > deadline:
                picture = self.screenshot(self.pictures / "failure.png")
                text = self.evaluate("(document.body ? document.body.innerText : '').slice(0, 1500)")
                raise BrowserError(
                    f"waited {timeout_s:.0f} s for: {what}\n"
                    f"page: {self.evaluate('location.href')}\npicture: {picture}\n"
                    f"failed requests: {self.failed_requests[-5:]}\nconsole: {self.console[-5:]}\ntext: {text}{trouble}"
                )
            time.sleep(0.25)

    def type_into(self, selector: str, text: str) -> None:
        """Focus the element, as a click would, and type `text` into it."""
        self.wait_for(f"!!document.querySelector({json.dumps(selector)})", f"an element {selector}", 60)
        self.evaluate(f"document.querySelector({json.dumps(selector)}).focus()")
        self.call("Input.insertText", text=text)

    def click(self, selector: str) -> None:
        """Click the middle of the first element that `selector` finds, with real mouse events.

        Waits until a person could: the element is shown, enabled, at rest, and no other lies over it. A click at
        where a menu was while it still opened hits something else, and nothing says so.
        """
        point = self.wait_for(
            f"(async () => {{ const e = document.querySelector({json.dumps(selector)}); if (!e) return null;"
            "const place = () => JSON.stringify(e.getBoundingClientRect());"
            "const frame = () => new Promise(requestAnimationFrame);"
            "e.scrollIntoView({block: 'nearest'}); await frame(); const before = place(); await frame(); await frame();"
            "const r = e.getBoundingClientRect(), x = r.x + r.width / 2, y = r.y + r.height / 2;"
            "return r.width && place() === before && !e.matches(':disabled, [aria-disabled=true]')"
            " && e.contains(document.elementFromPoint(x, y)) ? [x, y] : null })()",
            f"an element {selector} that can be clicked",
            60,
        )
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            button = {} if kind == "mouseMoved" else {"button": "left", "clickCount": 1}
            self.call("Input.dispatchMouseEvent", type=kind, x=point[0], y=point[1], **button)

    def resize(self, width: int, height: int, scale: float = 1) -> None:
        """Give the page another size in CSS pixels, so that a long page fits one picture; `scale` is the picture's."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False
        )

    def screenshot(self, path: Path) -> Path:
        """Save what the page shows as PNG and return the path."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))
        return path

    def settle(self, timeout_s: float = 30) -> None:
        """Wait until three pictures in a row, a quarter of a second apart, are the same: animations have ended."""
        deadline = time.monotonic() + timeout_s
        seen: list[str] = []
        while len(seen) < 3 or len(set(seen[-3:])) > 1:
            if time.monotonic() > deadline:
                raise BrowserError(f"the page still moves after {timeout_s:.0f} s: {self.evaluate('location.href')}")
            seen.append(self.call("Page.captureScreenshot", format="png")["data"])
            time.sleep(0.25)
