"""output: a file is whole or not there, whatever goes wrong on the way."""

import errno
import os
import stat
import threading

import pytest

from codec.files import output


def listing(folder):
    return sorted(os.listdir(folder))


def test_new_file_is_whole_and_follows_the_umask(tmp_path):
    old = os.umask(0o027)
    try:
        with output.atomic(str(tmp_path / "a")) as file:
            file.write(b"half")
            assert not (tmp_path / "a").exists()
            file.write(b"whole")
    finally:
        os.umask(old)
    assert (tmp_path / "a").read_bytes() == b"halfwhole"
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640
    assert listing(tmp_path) == ["a"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_exception_leaves_what_was_there(tmp_path, error):
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(error):
        with output.atomic(str(tmp_path / "a"), overwrite=True) as file:
            file.write(b"new")
            raise error
    assert (tmp_path / "a").read_bytes() == b"old"
    assert listing(tmp_path) == ["a"]


def test_full_disk_leaves_what_was_there_and_names_the_target(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"old")

    def full(_descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError) as caught:
        with output.atomic(str(tmp_path / "a"), overwrite=True) as file:
            file.write(b"new")
    assert caught.value.errno == errno.ENOSPC and caught.value.filename == str(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"old"
    assert listing(tmp_path) == ["a"]


def test_missing_directory_names_the_target(tmp_path):
    target = str(tmp_path / "no" / "a")
    with pytest.raises(FileNotFoundError) as caught:
        with output.atomic(target):
            pass
    assert caught.value.filename == target


def test_overwriting_keeps_the_permissions(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "a").chmod(0o600)
    with output.atomic(str(tmp_path / "a"), overwrite=True) as file:
        file.write(b"new")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600


@pytest.mark.parametrize("links", [True, False], ids=["hard links", "no hard links"])
def test_file_that_appears_meanwhile_is_not_overwritten(tmp_path, monkeypatch, links):
    if not links:

        def refuse(*_):
            raise PermissionError(errno.EPERM, "no hard links here")

        monkeypatch.setattr(os, "link", refuse)
    with output.atomic(str(tmp_path / "free")) as file:
        file.write(b"new")
    assert (tmp_path / "free").read_bytes() == b"new"
    with pytest.raises(FileExistsError, match="-f overwrites"):
        with output.atomic(str(tmp_path / "a")) as file:
            file.write(b"new")
            (tmp_path / "a").write_bytes(b"someone else's")
    assert (tmp_path / "a").read_bytes() == b"someone else's"
    assert listing(tmp_path) == ["a", "free"]


def test_of_two_writers_one_wins_whole(tmp_path):
    start, outcomes = threading.Barrier(8), []

    def write(byte):
        try:
            with output.atomic(str(tmp_path / "a")) as file:
                file.write(bytes([byte]) * 100_000)
                start.wait()
            outcomes.append(byte)
        except FileExistsError:
            outcomes.append(None)

    threads = [threading.Thread(target=write, args=(byte,)) for byte in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = [byte for byte in outcomes if byte is not None]
    assert len(outcomes) == 8 and (tmp_path / "a").read_bytes() == bytes([winner]) * 100_000
    assert listing(tmp_path) == ["a"]


def test_longest_name_the_file_system_takes(tmp_path):
    name = "n" * os.pathconf(tmp_path, "PC_NAME_MAX")
    with output.atomic(str(tmp_path / name)) as file:
        file.write(b"x")
    assert listing(tmp_path) == [name]


def test_special_file_is_written_not_replaced(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    output.check(str(tmp_path / "source"), str(fifo), overwrite=False)
    with output.atomic(str(fifo)) as file:
        file.write(b"through")
    assert os.read(reader, 100) == b"through"
    os.close(reader)
    assert stat.S_ISFIFO(fifo.stat().st_mode)


def test_output_that_is_the_input_is_refused_under_any_name(tmp_path):
    (tmp_path / "a").write_bytes(b"source")
    (tmp_path / "soft").symlink_to("a")
    os.link(tmp_path / "a", tmp_path / "hard")
    for name in ("a", "soft", "hard", "../" + tmp_path.name + "/a"):
        with pytest.raises(OSError, match="same file"):
            output.check(str(tmp_path / "a"), str(tmp_path / name), overwrite=True)


def test_directory_as_output_is_refused(tmp_path):
    with pytest.raises(IsADirectoryError):
        output.check("source", str(tmp_path), overwrite=True)


def test_times_and_permissions_of_another_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "source").write_bytes(b"")
    os.chmod("source", 0o604)
    os.utime("source", ns=(10**18 + 7, 9 * 10**17 + 123456789))
    os.symlink("file", "link")
    for name in ("new", "link"):
        draft = output.draft(name, overwrite=True)
        draft.write(b"x")
        draft.keep(os.stat("source"))
        status = os.stat(name)
        assert (status.st_atime_ns, status.st_mtime_ns) == (10**18 + 7, 9 * 10**17 + 123456789)
        assert stat.S_IMODE(status.st_mode) == 0o604


def test_a_forked_process_leaves_the_drafts_of_its_parent(tmp_path):
    with output.atomic(str(tmp_path / "a")) as file:
        file.write(b"x")
        if not (child := os.fork()):
            output.drop_all()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    assert (tmp_path / "a").read_bytes() == b"x"
