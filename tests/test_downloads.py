"""Published weights: fetched from a server of our own on this machine, checked, kept."""

import hashlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import timm
from torchvision.models.detection import (
    MaskRCNN_ResNet50_FPN_V2_Weights,
    MaskRCNN_ResNet50_FPN_Weights,
)

from tinyseg.downloads import CACHE_VARIABLE, COCO, IMAGENET, Download, cache_folder, fetch
from tinyseg.errors import OutputError, WeightsError

CONTENT = bytes(range(256)) * 9000
PREFIX = hashlib.sha256(CONTENT).hexdigest()[:8]


class Server:
    """Serves CONTENT, or what a test makes of it, and counts the questions."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.body, self.length, self.status = CONTENT, len(CONTENT), 200
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                self.send_response(outer.status)
                self.send_header("Content-Length", str(outer.length))
                self.end_headers()
                self.wfile.write(outer.body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def download(self) -> Download:
        return Download(f"http://127.0.0.1:{self.http.server_port}/v1/net-{PREFIX}.pth", PREFIX)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    made.thread.start()
    yield made
    made.http.shutdown()
    made.http.server_close()
    made.thread.join()


def quiet(done: int, total: int | None) -> None:
    pass


def test_a_file_is_fetched_once_and_told_of(server: Server, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    folder = tmp_path / "new" / "cache"
    path = fetch(server.download, folder, on_progress=lambda *at: told.append(at))
    assert path == folder / f"net-{PREFIX}.pth"
    assert path.read_bytes() == CONTENT
    assert [p.name for p in folder.iterdir()] == [path.name]
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert fetch(server.download, folder, on_progress=quiet) == path
    assert server.asked == [f"/v1/net-{PREFIX}.pth"]


def test_a_damaged_file_in_the_cache_is_fetched_again(server: Server, tmp_path: Path) -> None:
    path = tmp_path / server.download.file_name
    path.write_bytes(CONTENT[:-1])
    fetch(server.download, tmp_path, on_progress=quiet)
    assert path.read_bytes() == CONTENT


def test_another_file_is_refused_by_its_sha256(server: Server, tmp_path: Path) -> None:
    server.body = CONTENT[:-1] + b"x"
    found = hashlib.sha256(server.body).hexdigest()
    with pytest.raises(WeightsError, match=f"sha256 is not the published one.*{found}"):
        fetch(server.download, tmp_path, on_progress=quiet)
    assert list(tmp_path.iterdir()) == []


def test_a_cut_download_leaves_what_was_there(server: Server, tmp_path: Path) -> None:
    path = tmp_path / server.download.file_name
    path.write_bytes(b"old")
    server.body = CONTENT[:5000]
    with pytest.raises(WeightsError, match=r"cut short|cannot be downloaded"):
        fetch(server.download, tmp_path, on_progress=quiet)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_missing_page_is_told_with_the_way_by_hand(server: Server, tmp_path: Path) -> None:
    server.status = 404
    with pytest.raises(WeightsError) as caught:
        fetch(server.download, tmp_path, on_progress=quiet)
    told = str(caught.value)
    assert f"get {server.download.url} and put it at this path" in told
    assert told.startswith(str(tmp_path / server.download.file_name))


def test_no_network_is_told_with_the_way_by_hand(tmp_path: Path) -> None:
    nobody = Download("http://127.0.0.1:9/net-00000000.pth", "00000000")
    with pytest.raises(WeightsError, match=r"by hand, get http://127.0.0.1:9/net-00000000\.pth"):
        fetch(nobody, tmp_path, on_progress=quiet)
    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_cannot_be_made_is_told(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        fetch(server.download, tmp_path / "file" / "cache", on_progress=quiet)
    assert server.asked == []


def test_the_cache_is_where_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "a"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "b"))
    assert cache_folder() == tmp_path / "a"
    monkeypatch.delenv(CACHE_VARIABLE)
    assert cache_folder() == tmp_path / "b" / "tinyseg"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "tinyseg"


def test_the_table_names_what_torchvision_and_timm_publish() -> None:
    configs = {name: timm.get_pretrained_cfg(name) for name in IMAGENET}
    published = {
        "maskrcnn_resnet50_fpn_coco": MaskRCNN_ResNet50_FPN_Weights.COCO_V1.url,
        "maskrcnn_resnet50_fpn_v2_coco": MaskRCNN_ResNet50_FPN_V2_Weights.COCO_V1.url,
        **{name: config.url for name, config in configs.items() if config is not None},
    }
    table = {name: download.url for name, download in (COCO | IMAGENET).items()}
    assert table == published
    for download in (COCO | IMAGENET).values():
        assert len(download.sha256_prefix) == 8
        int(download.sha256_prefix, 16)
        assert download.file_name.endswith(f"-{download.sha256_prefix}.pth")
