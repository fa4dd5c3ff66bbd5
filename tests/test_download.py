"""Getting real data, against a publisher on this machine that breaks off, stalls and changes its mind."""

import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from publisher import Publisher, publish
from tiny_run import list_folder

from model import transfer
from model.download import DATA_SETS, main


def build_archive(seed: int = 1) -> bytes:
    """A zip of 300 kB that does not shrink."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("ml-1m/README", "terms of use")
        archive.writestr("ml-1m/ratings.dat", np.random.default_rng(seed).bytes(300_000))
    return stream.getvalue()


ARCHIVE = build_archive()


pytestmark = pytest.mark.usefixtures("hurry")


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts follow each other at once."""
    monkeypatch.setattr(transfer, "PAUSE", 0.0)


def download(publisher: Publisher, folder: Path, *flags: str) -> int:
    """Run the command against the publisher."""
    where = ["--output", str(folder), "--publisher", publisher.address]
    return main(["movielens-1m", *where, "--patience", "5", *flags])


def test_download_puts_the_archive_in_place_when_all_goes_well(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The terms first, then the archive alone in a new folder, and what to do next."""
    folder = tmp_path / "new" / "data"
    with publish(Publisher(ARCHIVE)) as publisher:
        assert download(publisher, folder) == 0
    assert (folder / "ml-1m.zip").read_bytes() == ARCHIVE
    assert list_folder(folder) == ["ml-1m.zip"]
    output, told = capsys.readouterr()
    assert "commercial use needs GroupLens' permission" in told
    assert f"{publisher.address}/ml-1m-README.txt" in told
    assert output == (
        f"{folder / 'ml-1m.zip'}: fetched, 0.3 MB, whole by the publisher's MD5\n"
        f"next: python train.py --data {folder / 'ml-1m.zip'}\n"
    )


def test_download_prints_json_alone_when_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The terms are told aside."""
    with publish(Publisher(ARCHIVE)) as publisher:
        assert download(publisher, tmp_path, "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["dataset"], facts["bytes"], facts["was_there"]) == ("movielens-1m", len(ARCHIVE), False)


def test_download_goes_on_where_it_stopped_when_the_connection_breaks(tmp_path: Path) -> None:
    """Each attempt asks for the rest only; more breaks than attempts are no matter while each brings more."""
    with publish(Publisher(ARCHIVE, breaks_after=[40_000] * 6)) as publisher:
        assert download(publisher, tmp_path) == 0
    assert publisher.ranges == [None, *(f"bytes={40_000 * n}-" for n in range(1, 7))]
    assert (tmp_path / "ml-1m.zip").read_bytes() == ARCHIVE


def test_download_goes_on_where_it_stopped_when_the_server_stalls(tmp_path: Path) -> None:
    """A connection that brings nothing is given up after --patience."""
    with publish(Publisher(ARCHIVE, breaks_after=[100_000], stalls=True)) as publisher:
        assert download(publisher, tmp_path, "--patience", "0.3") == 0
    assert publisher.ranges == [None, "bytes=100000-"]
    assert (tmp_path / "ml-1m.zip").read_bytes() == ARCHIVE


def test_download_takes_one_attempt_when_the_server_is_slow_but_steady(tmp_path: Path) -> None:
    """Archive and MD5 in 16 pieces over 0.8 s each: patience is for the next byte, not for all of them."""
    with publish(Publisher(ARCHIVE, n_pieces=16, pause=0.05)) as publisher:
        assert download(publisher, tmp_path, "--patience", "0.5") == 0
    assert publisher.ranges == [None]
    assert (tmp_path / "ml-1m.zip").read_bytes() == ARCHIVE


def test_download_takes_one_attempt_when_the_first_byte_is_late_but_within_patience(tmp_path: Path) -> None:
    """A server that thinks before it answers, on the archive and on the MD5."""
    with publish(Publisher(ARCHIVE, late=[0.3], checksum_late=0.3)) as publisher:
        assert download(publisher, tmp_path) == 0
    assert publisher.ranges == [None]
    assert (tmp_path / "ml-1m.zip").read_bytes() == ARCHIVE


def test_download_asks_again_when_the_first_byte_does_not_come(tmp_path: Path) -> None:
    """An answer that does not begin is given up after --patience, and the next one taken."""
    with publish(Publisher(ARCHIVE, late=[60])) as publisher:
        assert download(publisher, tmp_path, "--patience", "0.3") == 0
    assert publisher.ranges == [None, None]
    assert (tmp_path / "ml-1m.zip").read_bytes() == ARCHIVE


def test_download_gives_up_with_one_line_when_the_checksum_does_not_come(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is fetched that could not be checked against what the publisher has."""
    with publish(Publisher(ARCHIVE, checksum_late=60)) as publisher:
        assert download(publisher, tmp_path, "--patience", "0.3") == 2
    assert capsys.readouterr().err.endswith("ml-1m.zip.md5: cannot be fetched (timed out)\n")
    assert publisher.ranges == []
    assert list_folder(tmp_path) == []


def test_download_goes_on_in_the_next_start_when_it_was_given_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What had arrived is kept aside, under no name that a reader of ratings would take."""
    with publish(Publisher(ARCHIVE, breaks_after=[120_000, *[0] * 4])) as publisher:
        assert download(publisher, tmp_path) == 2
        assert "0.1 MB are kept, and the same command goes on from there" in capsys.readouterr().err
        assert not (tmp_path / "ml-1m.zip").exists()
        assert all(name.startswith(".") for name in list_folder(tmp_path))
        assert download(publisher, tmp_path) == 0
    assert publisher.ranges[-1] == "bytes=120000-"
    assert (tmp_path / "ml-1m.zip").read_bytes() == ARCHIVE
    assert list_folder(tmp_path) == ["ml-1m.zip"]


@pytest.mark.parametrize("changes", [{"takes_ranges": False}, {"etag": None}, {"etag": 'W/"weak"'}])
def test_download_starts_over_when_the_server_cannot_go_on(tmp_path: Path, changes: dict[str, Any]) -> None:
    """No ranges, or nothing to know the content by: the file comes whole."""
    with publish(Publisher(ARCHIVE, breaks_after=[90_000], **changes)) as publisher:
        assert download(publisher, tmp_path) == 0
    assert (tmp_path / "ml-1m.zip").read_bytes() == ARCHIVE


def test_download_starts_over_when_the_content_has_changed_meanwhile(tmp_path: Path) -> None:
    """Half of the old archive is never joined to half of the new one."""
    other = build_archive(seed=2)
    with publish(Publisher(ARCHIVE, breaks_after=[90_000, *[0] * 4])) as publisher:
        assert download(publisher, tmp_path) == 2
        publisher.content, publisher.etag = other, '"second"'
        assert download(publisher, tmp_path) == 0
    assert publisher.ranges[-1] == "bytes=90000-"
    assert (tmp_path / "ml-1m.zip").read_bytes() == other


def test_download_starts_over_when_more_had_arrived_than_there_is(tmp_path: Path) -> None:
    """A leftover that is too long is no part of the file."""
    leftover = transfer._Partial.beside(tmp_path / "ml-1m.zip")
    leftover.path.write_bytes(bytes(len(ARCHIVE) + 5))
    with publish(Publisher(ARCHIVE)) as publisher:
        leftover.note_validator(f"{publisher.address}/ml-1m.zip", '"first"')
        assert download(publisher, tmp_path) == 0
    assert publisher.ranges == [f"bytes={len(ARCHIVE) + 5}-", None]
    assert (tmp_path / "ml-1m.zip").read_bytes() == ARCHIVE


def test_download_keeps_nothing_when_what_arrives_is_damaged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another MD5 than the publisher's: an error that names both, and an empty folder."""
    damaged = bytearray(ARCHIVE)
    damaged[1000] ^= 1
    with publish(Publisher(bytes(damaged), checksum_of=ARCHIVE)) as publisher:
        assert download(publisher, tmp_path) == 2
    complaint = capsys.readouterr().err.splitlines()[-1]
    assert re.search(r"the MD5 [0-9a-f]{32}, the publisher's is [0-9a-f]{32}: it is damaged", complaint)
    assert list_folder(tmp_path) == []


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (ARCHIVE[:-100], "is no whole zip archive"),
        (ARCHIVE.replace(ARCHIVE[5000:5010], bytes(10)), "ml-1m/ratings.dat in it is damaged"),
        (b"<html>please sign in</html>", "is no whole zip archive"),
    ],
)
def test_download_trusts_the_archives_own_checksums_when_the_publisher_gives_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, complaint: str
) -> None:
    """Truncated at the source, damaged, or no archive at all: nothing is kept."""
    with publish(Publisher(content, has_checksum=False)) as publisher:
        assert download(publisher, tmp_path) == 2
    assert complaint in capsys.readouterr().err
    assert list_folder(tmp_path) == []


def test_download_says_what_it_was_checked_against_when_there_is_no_checksum(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An archive without a published MD5 is accepted for its own checksums, and that is said."""
    with publish(Publisher(ARCHIVE, has_checksum=False)) as publisher:
        assert download(publisher, tmp_path) == 0
    assert "whole by the archive's CRC-32" in capsys.readouterr().out


def test_download_accepts_an_answer_without_a_length_when_it_is_whole(tmp_path: Path) -> None:
    """The checksum, not the length, is what counts."""
    with publish(Publisher(ARCHIVE, says_length=False)) as publisher:
        assert download(publisher, tmp_path) == 0
    assert (tmp_path / "ml-1m.zip").read_bytes() == ARCHIVE


def test_download_fetches_nothing_when_the_archive_is_there_already(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is checked against the publisher's checksum all the same."""
    (tmp_path / "ml-1m.zip").write_bytes(ARCHIVE)
    with publish(Publisher(ARCHIVE)) as publisher:
        assert download(publisher, tmp_path) == 0
    assert publisher.ranges == []
    assert "was there already" in capsys.readouterr().out


def test_download_replaces_the_archive_when_the_publisher_has_another(tmp_path: Path) -> None:
    """An old or a damaged one gives way, once the new one is whole."""
    (tmp_path / "ml-1m.zip").write_bytes(build_archive(seed=3))
    with publish(Publisher(ARCHIVE)) as publisher:
        assert download(publisher, tmp_path) == 0
    assert (tmp_path / "ml-1m.zip").read_bytes() == ARCHIVE


def test_download_tries_again_when_the_server_is_busy(tmp_path: Path) -> None:
    """503 passes."""
    with publish(Publisher(ARCHIVE, statuses=[503, 429])) as publisher:
        assert download(publisher, tmp_path) == 0
    assert len(publisher.ranges) == 3


@pytest.mark.parametrize(
    ("statuses", "n_requests", "complaint"),
    [([404], 1, "ml-1m.zip: the server answers 404 Not Found"), ([503] * 9, 5, "HTTP Error 503")],
)
def test_download_gives_up_with_one_line_when_the_server_refuses(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    statuses: list[int],
    n_requests: int,
    complaint: str,
) -> None:
    """What is not there is not asked for twice; what stays busy five times."""
    with publish(Publisher(ARCHIVE, statuses=statuses)) as publisher:
        assert download(publisher, tmp_path) == 2
    assert len(publisher.ranges) == n_requests
    assert complaint in capsys.readouterr().err
    assert list_folder(tmp_path) == []


def test_download_gives_up_with_one_line_when_nobody_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A machine without internet access gets no traceback."""
    with publish(Publisher(ARCHIVE)) as publisher:
        pass
    assert download(publisher, tmp_path / "data") == 2
    assert list_folder(tmp_path) == []
    assert "cannot be fetched (Connection refused)" in capsys.readouterr().err


def test_download_gives_up_with_one_line_when_the_folder_is_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The path is named, and the file left alone."""
    (tmp_path / "data").write_text("mine", encoding="ascii")
    with publish(Publisher(ARCHIVE)) as publisher:
        assert download(publisher, tmp_path / "data") == 2
    assert str(tmp_path / "data") in capsys.readouterr().err.splitlines()[-1]
    assert (tmp_path / "data").read_text(encoding="ascii") == "mine"


def test_download_asks_for_room_first_when_the_disk_is_full(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both sizes are named before a byte is written."""
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 200_000}))  # type: ignore[attr-defined]
    with publish(Publisher(ARCHIVE)) as publisher:
        assert download(publisher, tmp_path) == 2
    assert "0.3 MB are to come, but only 0.2 MB are free" in capsys.readouterr().err
    assert list_folder(tmp_path) == []


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        ("movielens-1m", "movielens-1m needs --output FOLDER"),
        ("movielens-1m --check x", "--check belongs to netflix-prize"),
        ("netflix-prize --output x", "cannot be fetched for you"),
        (
            "movielens-1m --output data --publisher file:///etc",
            "'file:///etc/ml-1m.zip.md5' is no web address",
        ),
    ],
)
def test_download_says_what_goes_with_what_when_flags_do_not_fit(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    flags: str,
    complaint: str,
) -> None:
    """One line, status 2."""
    monkeypatch.chdir(tmp_path)
    assert main(flags.split()) == 2
    assert complaint in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["movielens-1n"], "did you mean movielens-1m?"),
        (["movielens-1m", "--patience", "0"], "expected more than 0 seconds"),
        (["movielens-1m", "--patience", "long"], "'long' is no number of seconds"),
    ],
)
def test_download_exits_with_status_2_when_a_flag_cannot_be_read(
    flags: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The parser's own complaints are one line too."""
    with pytest.raises(SystemExit, match="2"):
        main(flags)
    assert complaint in capsys.readouterr().err


def test_download_tells_how_when_asked_for_the_prize(capsys: pytest.CaptureFixture[str]) -> None:
    """The page, the command, the files and the check; fetched is nothing."""
    assert main(["netflix-prize"]) == 0
    text = capsys.readouterr().out
    for needed in (
        "https://www.kaggle.com/datasets/netflix-inc/netflix-prize-data",
        "kaggle datasets download netflix-inc/netflix-prize-data",
        "combined_data_1.txt",
        "--check netflix-prize",
    ):
        assert needed in text


def test_data_sets_name_archive_and_terms_when_listed() -> None:
    """Every one has its own archive, and its terms beside it."""
    archives = [data_set.archive for data_set in DATA_SETS.values()]
    assert len(set(archives)) == len(archives)
    assert all(data_set.readme.startswith(data_set.archive) for data_set in DATA_SETS.values())
