"""A file that calls itself a video but is a playlist opens no address."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from workflow_scripts.core.errors import InputError
from workflow_scripts.video.metadata import probe

PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nhttp://127.0.0.1:{port}/x.ts\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile http://127.0.0.1:{port}/x.mp4\n",
}


@pytest.mark.parametrize("name", ["x.mp4", "x.m3u8", "x.avi"])
@pytest.mark.parametrize("kind", PLAYLISTS)
def test_a_playlist_reaches_no_address(tmp_path: Path, kind: str, name: str) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(0.1)
        path = tmp_path / name
        path.write_text(PLAYLISTS[kind].format(port=listener.getsockname()[1]))
        with pytest.raises(InputError):
            probe(path)
        with pytest.raises(TimeoutError):
            listener.accept()


def test_an_address_is_no_file() -> None:
    for name in ("http://127.0.0.1/x.mp4", "concat:a.mp4|b.mp4", "file:///etc/passwd"):
        with pytest.raises(InputError, match="does not exist"):
            probe(Path(name))
