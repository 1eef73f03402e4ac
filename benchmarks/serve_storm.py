"""Storms on `tinyseg serve`, over loopback, bounded in count and time; each ends by itself.

    python benchmarks/serve_storm.py load --requests 256 --at-once 64   # frames, against predict
    python benchmarks/serve_storm.py hostile --requests 10000           # what no client should send
    python benchmarks/serve_storm.py schema --requests 100              # schemathesis, by OpenAPI
    python benchmarks/serve_storm.py kills --kills 20                   # kill -9 of the worker
    python benchmarks/serve_storm.py page                               # frames a second, Chromium

`load` looks at rendered frames of --size, each request another file (bytes more at its end, so
that nothing is kept), asks again at 503, and checks every answer against the model in a process of
its own; then the model alone looks at frames with as many threads. `hostile` runs the server
under an audit of what it opens, where strace is there.
"""

import argparse
import os
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from _png import RGB, png_file
from _server import Served

from tinyseg.image import jpeg_bytes
from tinyseg.scenes import render_scene

MB = 10**6

PREDICT = """
import sys, time, orjson, torch, tinyseg
from pathlib import Path
from tinyseg.allocator import keep_freed_memory
from tinyseg.predictions import FramePredictions, Predictions, to_document
folder, plan = Path(sys.argv[1]), sys.argv[2] or None
threads, seconds = int(sys.argv[3]), float(sys.argv[4])
keep_freed_memory(); torch.set_num_threads(threads)
model = tinyseg.load(plan=plan, threads=threads)
files = sorted(folder.glob("*.jpg"))
for file in files:
    found = model(file.read_bytes())
    frame = FramePredictions("p", "p", found.hw, found.instances)
    document = to_document(Predictions(found.names, (frame,)))
    rows = orjson.dumps(document["annotations"], option=orjson.OPT_SERIALIZE_NUMPY)
    file.with_suffix(".json").write_bytes(rows)
start, spent, count = time.perf_counter(), time.process_time(), 0
while time.perf_counter() - start < seconds or count < len(files):
    found = model(files[count % len(files)].read_bytes()); count += 1
print((time.perf_counter() - start) / count, (time.process_time() - spent) / count)
"""
"""`tinyseg predict`'s model in a process of its own: expected answers, then seconds a frame, by the
clock and of the processor."""


def tree(pid: int) -> list[int]:
    """A process and those below it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in tree(int(child)))]


def resident_mb(pid: int) -> float:
    """What a process and those below it hold."""
    total = 0
    for one in tree(pid):
        try:
            pages = int(Path(f"/proc/{one}/statm").read_text().split()[1])
        except OSError:
            continue
        total += pages * os.sysconf("SC_PAGE_SIZE")
    return total / MB


def processor_s(pid: int) -> float:
    """Processor seconds of a process and those below it."""
    own = (Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split() for one in tree(pid))
    return sum(int(words[11]) + int(words[12]) for words in own) / os.sysconf("SC_CLK_TCK")


class Watch:
    """The most that a server held, looked at five times a second."""

    def __init__(self, pid: int) -> None:
        self.most, self._pid, self._on = resident_mb(pid), pid, True
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while self._on:
            self.most = max(self.most, resident_mb(self._pid))
            time.sleep(0.2)

    def end(self) -> float:
        """The most, in MB."""
        self._on = False
        self._thread.join()
        return self.most


def frames(count: int, size: str) -> list[bytes]:
    """Rendered frames as JPEG files."""
    width, height = map(int, size.split("x"))
    made = (render_scene(seed=9, index=n, height=height, width=width).image for n in range(count))
    return [jpeg_bytes(image) for image in made]


def load(options: argparse.Namespace) -> None:
    """Many requests at once, each answer compared."""
    pictures = frames(options.frames, options.size)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for n, data in enumerate(pictures):
            (folder / f"{n}.jpg").write_bytes(data)
        words = (name, options.plan or "", str(options.threads), str(options.seconds))
        alone = subprocess.run(
            [sys.executable, "-c", PREDICT, *words], stdout=subprocess.PIPE, text=True, check=True
        )
        clock_s, used_s = map(float, alone.stdout.split()[-2:])
        expected = [(folder / f"{n}.json").read_bytes() for n in range(len(pictures))]
        plan = ["--plan", options.plan] if options.plan else []
        more = ["--threads", str(options.threads), "--deadline", "600", *plan]
        server = Served(folder / "log", more)
        try:
            _load(server, pictures, expected, options, (clock_s, used_s))
        finally:
            server.stop()


def _load(
    server: Served,
    pictures: Sequence[bytes],
    expected: Sequence[bytes],
    options: argparse.Namespace,
    alone_s: tuple[float, float],
) -> None:
    import orjson

    client = httpx.Client(
        base_url=server.url, timeout=1200, trust_env=False, limits=httpx.Limits(max_connections=80)
    )
    warm = client.post("/v1/predict", content=pictures[0]).raise_for_status()
    assert warm.json()["annotations"]
    idle = resident_mb(server.process.pid)
    watch, statuses, times = Watch(server.process.pid), list[int](), list[float]()

    def ask(n: int) -> bool:
        content = pictures[n % len(pictures)] + n.to_bytes(3, "big")
        start = time.perf_counter()
        while True:
            try:
                answer = client.post("/v1/predict", content=content)
            except httpx.RemoteProtocolError:  # a kept connection ended as the request went out
                statuses.append(0)
                continue
            statuses.append(answer.status_code)
            if answer.status_code != 503:
                times.append(time.perf_counter() - start)
                found = orjson.loads(answer.content).get("annotations")
                return found == orjson.loads(expected[n % len(pictures)])
            time.sleep(min(float(answer.headers["Retry-After"]), 10) * (0.5 + random.random()))

    start, processor_start_s = time.perf_counter(), processor_s(server.process.pid)
    with ThreadPoolExecutor(options.at_once) as threads:
        right = list(threads.map(ask, range(options.requests)))
    served_s = (
        (time.perf_counter() - start) / options.requests,
        (processor_s(server.process.pid) - processor_start_s) / options.requests,
    )
    most = watch.end()
    times.sort()
    print(f"{options.requests} requests, {options.at_once} at once, frames {options.size}, plan")
    print(f"  {options.plan or 'the weights own'}, {options.threads} threads")
    print(f"statuses (0: connection closed) {dict(Counter(statuses))}")
    print(f"wrong answers {right.count(False)}")
    print(f"memory: idle {idle:.0f} MB, most {most:.0f} MB: + {most - idle:.0f} MB")
    for kind, served, alone in zip(
        ("by the clock", "of the processor"), served_s, alone_s, strict=True
    ):
        print(f"seconds a frame {kind}: served {served:.2f}, predict alone {alone:.2f}")
        print(f"  throughput of predict's: {alone / served:.2f}")
    print(f"p50 {statistics.median(times):.1f} s, p95 {times[int(len(times) * 0.95)]:.1f} s")


# Hostile requests.

TARGETS = (
    "etc/passwd", "etc/shadow", "proc/self/environ", ".git/config", "root/.ssh/id_rsa",
    "windows/win.ini",
)  # fmt: skip
UPWARDS = (
    "../", "..%2f", "%2e%2e/", "%2e%2e%2f", "..\\", "..%5c", "....//", "..%c0%af",
    "%252e%252e%252f",
)  # fmt: skip
BELOW = ("/", "/v1/", "/v1/scene/", "/style.css/", "/script.js?x=")
TRAVERSALS = (
    *(f"{start}{4 * up}{target}" for start in BELOW for up in UPWARDS for target in TARGETS),
    "//etc/passwd", "/v1/scene/file:%2f%2f%2fetc%2fpasswd", "/.git/config", "/v1/model%00",
)  # fmt: skip
HOSTS = (
    "169.254.169.254", "localhost:22", "127.0.0.1:6379", "[::1]:80", "0x7f000001", "2130706433",
)  # fmt: skip
SCHEMES = ("http", "https", "ftp", "gopher", "file")
ADDRESSES = (
    *(f"{scheme}://{host}/latest/meta-data" for scheme in SCHEMES for host in HOSTS),
    "file:///etc/passwd", "\\\\host\\share", "../../../../etc/passwd", "/proc/self/environ",
)  # fmt: skip
"""With TRAVERSALS over 300 strings."""

NAMES = ("plan", "masks", "classes", "budget", "camera", "min_score", "weights", "url", "path")

Request = tuple[str, str, dict[str, Any]]


def hostile_request(rng: random.Random, picture: bytes) -> Request:
    """One of many kinds."""
    kinds: list[Callable[[], Request]] = [
        lambda: ("POST", "/v1/predict", {"content": picture[: rng.randrange(len(picture))]}),
        lambda: ("POST", "/v1/predict", {"content": _damaged(rng, picture)}),
        lambda: ("POST", "/v1/predict", {"content": rng.randbytes(rng.randrange(3000))}),
        lambda: ("POST", "/v1/predict", {"content": _bomb(rng)}),
        lambda: ("POST", "/v1/predict", {"json": _deep(rng.randrange(1, 3000))}),
        lambda: (rng.choice(("GET", "POST", "PUT")), "/", _traversal(rng)),
        lambda: ("POST", "/v1/predict", _parameters(rng, picture)),
        lambda: ("POST", "/v1/predict", {"content": b"x", "headers": _headers(rng)}),
        lambda: ("POST", "/v1/predict", {"files": {"image": (rng.choice(ADDRESSES), b"x" * 9)}}),
        lambda: ("POST", "/v1/predict", _forms(rng)),
        lambda: (rng.choice(("DELETE", "PATCH", "HEAD", "OPTIONS", "GET")), "/v1/predict", {}),
    ]
    return rng.choice(kinds)()


def _damaged(rng: random.Random, picture: bytes) -> bytes:
    data = bytearray(picture)
    for _ in range(rng.randrange(1, 30)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


def _bomb(rng: random.Random) -> bytes:
    """Files that state more than they hold."""
    sizes = ((50_000, 50_000), (65_535, 65_535), (20_001, 2), (7_000, 7_000))
    return png_file(rng.choice(sizes), [zlib.compress(bytes(100_000))], colour_type=RGB)


def _deep(depth: int) -> Any:
    tree: Any = 0
    for _ in range(min(depth, 400)):
        tree = [tree]
    return tree


def _traversal(rng: random.Random) -> dict[str, Any]:
    """An address as it stands, which the client would tidy up."""
    return {"extensions": {"target": rng.choice(TRAVERSALS).encode()}}


def _parameters(rng: random.Random, picture: bytes) -> dict[str, Any]:
    values = (
        *ADDRESSES,
        "",
        "nan",
        "-1",
        "1e999",
        "0" * 5000,
        "\0",
        "whole",
        "null",
        "[]",
        "\u202e",
    )
    pairs = [(rng.choice(NAMES), rng.choice(values)) for _ in range(rng.randrange(1, 6))]
    return {"params": pairs, "content": picture[:200]}


def _headers(rng: random.Random) -> dict[str, str]:
    return rng.choice(
        (
            {"Content-Type": "multipart/form-data; boundary=" + "x" * rng.randrange(400)},
            {"X-Large": "y" * rng.randrange(30_000)},
            {"Accept": rng.choice(("text/html", ";;;", "image/png;q=nan", "," * 5000, "a" * 9000))},
            {"Content-Length": "99999999999999999999"},
            {"Content-Encoding": "gzip"},
            {"Authorization": "Bearer " + "z" * 9000},
            {"Origin": rng.choice(ADDRESSES)},
            {"Host": rng.choice(ADDRESSES)},
        )
    )


def _forms(rng: random.Random) -> dict[str, Any]:
    part = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\nx\r\n'
    body = rng.choice(
        (part * rng.randrange(200), part + b"--b--", b"--b--\r\n", part[:30], b"--b" * 999)
    )
    return {"content": body, "headers": {"Content-Type": "multipart/form-data; boundary=b"}}


def hostile(options: argparse.Namespace) -> None:
    """What no client should send; then the server is as it was."""
    rng = random.Random(options.seed)
    picture = frames(1, "640x480")[0]
    with tempfile.TemporaryDirectory() as name:
        server = Served(Path(name) / "log", ["--threads", str(options.threads), "--plan", "whole"])
        trace = _trace(server, Path(name))
        try:
            _hostile(server, picture, rng, options)
        finally:
            if trace is not None:
                trace.send_signal(signal.SIGINT)
                trace.wait(timeout=20)
                _told(Path(name) / "trace")
            log = server.log()
            server.stop()
        faults = log.count("a fault in") + log.count("Traceback")
        print(f"faults in the log: {faults}")
        if faults:
            print(log[log.index("Traceback") - 200 :][:3000])


def _hostile(
    server: Served, picture: bytes, rng: random.Random, options: argparse.Namespace
) -> None:
    client = httpx.Client(base_url=server.url, timeout=120, trust_env=False)
    expected = client.post("/v1/predict", content=picture).json()["annotations"]
    time.sleep(6)
    idle, watch = resident_mb(server.process.pid), Watch(server.process.pid)
    statuses: Counter[str] = Counter()
    requests = [hostile_request(rng, picture) for _ in range(options.requests)]
    start = time.perf_counter()

    def send(request: Request) -> str:
        method, path, more = request
        try:
            return str(client.request(method, path, **more).status_code)
        except Exception as error:  # of the client: some of this it does not want to send
            return type(error).__name__

    slow = [_slow(server.url, head) for head in (*10 * [SLOW_HEAD], *10 * [SLOW_BODY])]
    with ThreadPoolExecutor(16) as threads:
        statuses.update(threads.map(send, requests))
    spent = time.perf_counter() - start
    dropped = sum(_is_closed(one) for one in slow) if spent > 12 else -1
    again = client.post("/v1/predict", content=picture + b"again").json()["annotations"]
    most = watch.end()
    time.sleep(8)
    print(f"{options.requests} hostile requests in {spent:.0f} s: {dict(sorted(statuses.items()))}")
    print(
        f"statuses of 500: {statuses['500']}; the next good request is right: {again == expected}"
    )
    print(f"slow heads and bodies cut off: {dropped} of {len(slow)}")
    after = resident_mb(server.process.pid)
    print(
        f"memory: idle {idle:.0f} MB, most {most:.0f}, after {after:.0f}: + {after - idle:.0f} MB"
    )


SLOW_HEAD = b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nX-Slow: "
SLOW_BODY = b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\nslow"


def _slow(url: str, begun: bytes) -> socket.socket:
    """A connection that begins a request and goes on no further."""
    host, port = url.removeprefix("http://").rstrip("/").split(":")
    one = socket.create_connection((host, int(port)))
    one.sendall(begun)
    return one


def _is_closed(one: socket.socket) -> bool:
    """Closed, perhaps behind an answer of 408."""
    one.settimeout(0.5)
    try:
        while one.recv(4096):
            pass
        return True
    except TimeoutError:
        return False
    except OSError:
        return True


def _trace(server: Served, folder: Path) -> subprocess.Popen[bytes] | None:
    """strace on the server's processes: what they open and connect to."""
    if shutil.which("strace") is None:
        print("strace is not there: what the server opens is not looked at")
        return None
    pids = [part for pid in tree(server.process.pid) for part in ("-p", str(pid))]
    calls = "open,openat,connect,socket,execve"
    command = ["strace", "-f", "-qq", "-e", f"trace={calls}", "-o", str(folder / "trace"), *pids]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    time.sleep(2)
    return process


OF_THE_SYSTEM = (
    "/proc/self/",
    "/proc/meminfo",
    "/proc/stat",
    "/sys/",
    "/dev/",
    "/usr/",
    "/lib",
    "/etc/ld.so",
    "/etc/localtime",
)


def _told(trace: Path) -> None:
    """The files of a trace, by whose they are, and its sockets."""
    lines = trace.read_text("utf-8", "replace").splitlines()
    found = (re.search(r'open(?:at)?\([^"]*"([^"]*)"', line) for line in lines)
    opened = Counter(one.group(1) for one in found if one)
    calls = (re.search(r"\b(socket|connect|execve)\(", line) for line in lines)
    others = Counter(one.group(1) for one in calls if one)
    places = (Path(__file__).parent.parent, Path(sys.prefix), Path(sys.base_prefix))
    own = (*map(str, places), *(str(one.resolve()) for one in places), *OF_THE_SYSTEM)
    foreign = {path: count for path, count in opened.items() if not path.startswith(own)}
    print(f"{opened.total()} times a file was opened, {len(opened)} paths; of these neither the")
    print(f"package's, Python's nor the system's: {foreign or 'none'}")
    print(f"sockets, connections, programs: {dict(others) or 'none'}")


def schema(options: argparse.Namespace) -> None:
    """schemathesis makes requests from the OpenAPI document: none may end in a status of 500, and
    answers have to be as the document says. It is installed by whoever runs this."""
    found = shutil.which(options.schemathesis)
    if found is None:
        raise SystemExit(f"not there: {options.schemathesis}: pip install schemathesis")
    with tempfile.TemporaryDirectory() as name:
        server = Served(Path(name) / "log", ["--threads", str(options.threads), "--plan", "whole"])
        checks = "not_a_server_error,status_code_conformance,content_type_conformance"
        call = [found, "run", f"{server.url}/v1/openapi.json", "--checks", checks]
        call += ["--max-examples", str(options.requests), "--seed", str(options.seed)]
        call += ["--request-timeout", "120"]
        done = subprocess.run(call, capture_output=True, text=True, cwd=name)
        log = server.log()
        server.stop()
    print(done.stdout[-4000:])
    print(f"schemathesis ended with status {done.returncode}")
    print(f"faults in the log: {log.count('a fault in') + log.count('Traceback')}")


def kills(options: argparse.Namespace) -> None:
    """kill -9 of the worker while requests come; every one is answered."""
    pictures = frames(3, "640x480")
    with tempfile.TemporaryDirectory() as name:
        server = Served(Path(name) / "log", ["--threads", str(options.threads), "--plan", "whole"])
        client = httpx.Client(base_url=server.url, timeout=300, trust_env=False)
        statuses: Counter[str] = Counter()
        going = True

        def ask(turn: int) -> None:
            n = 0
            while going:
                content = pictures[n % 3] + bytes([turn]) + n.to_bytes(3, "big")
                try:
                    answer = client.post("/v1/predict", content=content)
                    statuses[str(answer.status_code)] += 1
                    if answer.status_code == 503:
                        time.sleep(0.2)
                except httpx.HTTPError as error:
                    statuses[type(error).__name__] += 1
                n += 1

        back = []
        with ThreadPoolExecutor(4) as threads:
            asking = [threads.submit(ask, turn) for turn in range(4)]
            try:
                for _ in range(options.kills):
                    time.sleep(random.uniform(0, options.between))
                    (worker,) = server.workers()
                    os.kill(worker, signal.SIGKILL)
                    start = time.perf_counter()
                    while server.workers() in ([], [worker]):
                        time.sleep(0.02)
                    while client.get("/readyz").status_code != 200:
                        time.sleep(0.05)
                    back.append(time.perf_counter() - start)
            finally:
                going = False
            for one in asking:
                one.result()
        # What was accepted when SIGTERM comes is answered.
        with ThreadPoolExecutor(4) as threads:
            last = [
                threads.submit(
                    client.post, "/v1/predict", content=pictures[0] + b"last" + bytes([n])
                )
                for n in range(4)
            ]
            time.sleep(0.3)
            server.process.send_signal(signal.SIGTERM)
            drained = Counter(one.result().status_code for one in last)
        status = server.process.wait(timeout=120)
    print(f"{options.kills} kills: answers {dict(statuses)}")
    print(f"back after {statistics.median(back):.1f} s in the median, {max(back):.1f} s at most")
    print(f"SIGTERM under load: answers {dict(drained)}, exit status {status}")


def page(options: argparse.Namespace) -> None:
    """Pan and zoom of a picture with instances, in headless Chromium."""
    from _scene_pool import ScenePool, photo, serving
    from playwright.sync_api import Response, sync_playwright

    width, height = map(int, options.size.split("x"))
    made = photo((height, width), options.instances, rough=options.rough)
    move = """async () => {
      const times = [];
      const next = () => new Promise(requestAnimationFrame);
      await next();
      let last = performance.now();
      for (let n = 0; n < 120; n++) {
        if (n % 2) stage.pan(9 * Math.cos(n / 9), 7 * Math.sin(n / 9));
        else stage.zoomTo(stage.view.zoom * (n < 60 ? 1.03 : 1 / 1.03));
        await next();
        const now = performance.now();
        times.push(now - last);
        last = now;
      }
      return times;
    }"""
    with serving(ScenePool(made)) as url, sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        opened = browser.new_page(viewport={"width": 1280, "height": 900})
        sizes: list[int] = []

        def count(answer: Response) -> None:
            sizes.append(len(answer.body()))

        opened.on("response", count)
        opened.goto(url, wait_until="networkidle")
        first = sum(sizes)
        opened.remove_listener("response", count)
        opened.click("#scenes button >> nth=0")
        opened.wait_for_selector(".pane path.found", timeout=120_000)
        opened.fill("#score", "0")
        opened.wait_for_timeout(2000)
        shown = opened.locator(".pane path.found").count()
        paths = opened.locator(".pane path.found").evaluate_all(
            "all => all.reduce((sum, path) => sum + path.getAttribute('d').length, 0)"
        )
        before_s = processor_s(os.getpid())
        times = sorted(opened.evaluate(move))
        used_s = processor_s(os.getpid()) - before_s
        browser.close()
    print(f"first load {first / 1000:.0f} KB; {options.size} with {shown} outlines of")
    print(f"  {paths / shown:.0f} characters each in the mean")
    median, late = statistics.median(times), times[int(len(times) * 0.95)]
    print(f"pan and zoom: {1000 / median:.0f} frames/s, {1000 / late:.0f} at the 95th of 100")
    print(f"all processes together: {1000 * used_s / len(times):.0f} ms of a processor a frame")


def main() -> None:
    """Parse, and run one storm."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("storm", choices=("load", "hostile", "schema", "kills", "page"))
    parser.add_argument("--requests", type=int, default=256)
    parser.add_argument("--at-once", type=int, default=64)
    parser.add_argument("--frames", type=int, default=4)
    parser.add_argument("--size", default="3384x2710")
    parser.add_argument("--plan", help="of load: whole, focus, tiles, or a file")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=60, help="of predict alone")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--between", type=float, default=6, help="most seconds between kills")
    parser.add_argument("--instances", type=int, default=300)
    parser.add_argument("--rough", type=float, default=0.06, help="borders of page's instances")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--schemathesis", default="schemathesis", help="the command, for schema")
    options = parser.parse_args()
    storms = {"load": load, "hostile": hostile, "schema": schema, "kills": kills, "page": page}
    storms[options.storm](options)


if __name__ == "__main__":
    main()
