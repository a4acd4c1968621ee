"""Where outputs go and inputs come from that are no plain files: links, FIFOs, sockets, devices, descriptors such as
/dev/stdout.
"""

import os
import socket
import stat
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest
from cli_files import aecodec
from conftest import photograph
from PIL import Image

import codec
from codec.files import output

COMMAND = [sys.executable, "-P", "-m", "codec"]


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """A picture and its file."""
    path = tmp_path_factory.mktemp("sources") / "a.png"
    Image.fromarray(photograph(40, 56)).save(path)
    return {"a.png": path.read_bytes(), "a.aec": codec.compress(path, device="cpu")}


@pytest.fixture
def pictures(folder, sources):
    for name, data in sources.items():
        (folder / name).write_bytes(data)
    return folder


def put(target, data, overwrite=True):
    with output.atomic(str(target), overwrite) as file:
        file.write(data)


@contextmanager
def read_from(fifo):
    """What comes out of a FIFO, in a list, when the block has ended."""
    os.mkfifo(fifo)
    got = []
    thread = threading.Thread(target=lambda: got.append(open(fifo, "rb").read()), daemon=True)
    thread.start()
    yield got
    thread.join(20)


@contextmanager
def written_to(fifo, data):
    os.mkfifo(fifo)

    def write():
        with open(fifo, "wb") as file:
            file.write(data)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    yield
    thread.join(20)
    assert not thread.is_alive()


# Links


def test_links_are_written_through(folder):
    os.makedirs("deep/er")
    links = {
        "plain": "file",
        "chain": "plain",
        "up": "deep/er/down",
        "deep/er/down": "../../file",
        "whole": str(folder / "file"),
        "deep/dangling": "new",
        "through": "deep/dangling",
    }
    for name, leads in links.items():
        os.symlink(leads, name)
    os.symlink("deep", "way")
    (folder / "file").write_bytes(b"old")
    (folder / "file").chmod(0o640)
    for name in ("plain", "chain", "up", "deep/er/down", "whole", "way/er/down"):
        put(name, name.encode())
        assert os.path.islink(name) and (folder / "file").read_bytes() == name.encode()
        assert stat.S_IMODE(os.stat("file").st_mode) == 0o640
    put("through", b"made")
    assert (folder / "deep" / "new").read_bytes() == b"made" and os.path.islink("through")
    assert not list(folder.rglob("*.part"))


def test_an_error_leaves_the_end_of_a_link_as_it_was(folder):
    os.mkdir("deep")
    (folder / "deep" / "file").write_bytes(b"old")
    os.symlink("deep/file", "link")
    with pytest.raises(ValueError):
        with output.atomic("link", overwrite=True) as file:
            file.write(b"half")
            raise ValueError
    assert os.listdir("deep") == ["file"] and (folder / "deep" / "file").read_bytes() == b"old"


def test_links_are_refused_without_force(folder):
    (folder / "file").write_bytes(b"old")
    for name, leads in {"link": "file", "dangling": "nowhere", "loop": "loop"}.items():
        os.symlink(leads, name)
    for name in ("link", "dangling"):
        with pytest.raises(FileExistsError):
            output.check("source", name, overwrite=False)
        with pytest.raises(FileExistsError) as caught:
            put(name, b"new", overwrite=False)
        assert caught.value.filename == name
    for act in (lambda: output.check("source", "loop", True), lambda: put("loop", b"new")):
        with pytest.raises(OSError, match="symbolic links"):
            act()
    os.symlink("no/where", "far")
    with pytest.raises(FileNotFoundError) as caught:
        put("far", b"new")
    assert caught.value.filename == "far" and sorted(os.listdir()) == ["dangling", "far", "file", "link", "loop"]


# What is no file


def test_descriptors_are_written_to_where_they_are(folder):
    for way in ("/dev/fd/{}", "/proc/self/fd/{}", f"/proc/{os.getpid()}/fd/{{}}", "link"):
        with open("file", "wb") as file:
            file.write(b"before ")
            file.flush()
            if way == "link":
                os.symlink(f"/proc/self/fd/{file.fileno()}", "link")
            target = way.format(file.fileno())
            output.check("source", target, overwrite=False)
            put(target, b"new", overwrite=False)
            file.write(b" after")
        assert (folder / "file").read_bytes() == b"before new after"
    with pytest.raises(OSError, match="Bad file descriptor"):
        put("/dev/fd/987", b"x")


@pytest.mark.parametrize("force", [True, False])
def test_what_is_no_file_is_never_replaced(folder, force):
    with read_from("fifo") as got:
        os.symlink("fifo", "link")
        output.check("source", "link", overwrite=force)
        put("link", b"through", force)
    assert got == [b"through"] and stat.S_ISFIFO(os.stat("fifo").st_mode)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        server.listen()
        put("socket", b"through", force)
        with server.accept()[0] as peer:
            assert peer.recv(100) == b"through"
        assert stat.S_ISSOCK(os.stat("socket").st_mode)
    ours, theirs = socket.socketpair()  # as standard output often is under a server
    with ours, theirs:
        put(f"/proc/self/fd/{theirs.fileno()}", b"through", force)
        assert ours.recv(100) == b"through"
    put("/dev/null", b"x", force)
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_nothing_goes_into_a_fifo_before_all_of_it_is_there(folder):
    os.mkfifo("fifo")
    reader = os.open("fifo", os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(ValueError):
        with output.atomic("fifo") as file:
            file.write(b"half")
            raise ValueError
    assert os.read(reader, 100) == b""
    os.close(reader)


def test_standard_output_by_name(pictures, sources):
    script = """
exec >out 4>four
echo first
{0} compress -f a.png -o /dev/stdout && echo || exit
{0} compress a.png b.png -j 2 -o /dev/fd/4; {0} compress a.png -o /dev/fd/4
{0} compress a.png -o /dev/stderr 2>err
""".format(" ".join(COMMAND))
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=200)
    data = sources["a.aec"]
    assert (pictures / "out").read_bytes() == b"first\n" + data + b"\n" and os.path.islink("/dev/stdout")
    assert (pictures / "four").read_bytes() == (pictures / "err").read_bytes() == data
    assert len(done.stderr.splitlines()) == 4 and "cannot go to '/dev/fd/4'" in done.stderr


def test_removing_needs_files_on_both_sides(pictures):
    os.mkfifo("fifo.png")
    os.symlink("fifo.png", "link.png")
    for line in ("a.png -o /dev/null", "a.png -o /dev/stdout", "fifo.png", "link.png", "/dev/stdin -o x.aec"):
        done = aecodec("compress", "--rm", *line.split())
        assert done.exit_code == 2 and "--rm needs a file on both sides" in done.stderr
    assert os.path.exists("a.png") and os.path.exists("fifo.png") and os.path.exists("/dev/stdin")


def test_commands_write_through_links(pictures):
    pytest.importorskip("sklearn")
    os.mkdir("store")
    for line in (
        "decompress a.aec -o link.png",
        "embed a.aec -o link.npy",
        "sample --size 64x64 -o link.jpg",
        "anomaly fit a.png ./a.png -o link.json",
        "interpolate a.png a.aec -n 2 -o link.gif",
        "denoise a.png -o link.webp",
        "ae fit digits --max-iter 1 -o link.safetensors",
    ):
        arguments = line.split()
        link = arguments[-1]
        os.symlink(f"store/{link}", link)
        done = aecodec(*arguments, "-f")
        assert done.exit_code == 0, done.output
        assert os.path.islink(link) and (pictures / "store" / link).stat().st_size > 100


def test_times_and_permissions_are_kept_where_asked(pictures):
    os.chmod("a.png", 0o604)
    os.utime("a.png", ns=(10**18, 9 * 10**17 + 123456789))
    os.symlink("store.aec", "link.aec")
    for line in (
        "compress -p a.png -o b.aec",
        "compress -f --preserve a.png -o link.aec",
        "compress -p a.png -o c/ -j 2",
    ):
        assert aecodec(*line.split()).exit_code == 0
    for name in ("b.aec", "store.aec", "c/a.aec"):
        status = os.stat(name)
        assert (status.st_mtime_ns, stat.S_IMODE(status.st_mode)) == (9 * 10**17 + 123456789, 0o604)
    assert aecodec("compress", "-p", "a.png", "-o", "/dev/null").exit_code == 0
    assert aecodec("compress", "a.png", "-o", "d.aec").exit_code == 0
    assert os.stat("d.aec").st_mtime_ns > 10**18


# What is read once


@pytest.mark.parametrize(
    "arguments",
    [
        ("decompress", "x.aec", "-o", "out.png"),
        ("decompress", "x.aec", "-j", "2", "-o", "out.png"),
        ("verify", "x.aec"),
        ("info", "x.aec"),
        ("embed", "x.aec", "-o", "out.npy"),
        ("compress", "x.png", "-o", "out.aec"),
        ("embed", "x.png", "-o", "out.npy"),
        ("denoise", "x.png", "-o", "out.aec"),
        ("sample", "--like", "x.png", "-o", "out.png"),
    ],
    ids=" ".join,
)
def test_commands_read_from_a_fifo(pictures, sources, arguments):
    fifo = next(name for name in arguments if name.startswith("x."))
    with written_to(fifo, sources[fifo.replace("x", "a")]):
        done = aecodec(*arguments)
    assert done.exit_code == 0, done.output
    if "out.aec" in arguments and arguments[0] == "compress":
        assert (pictures / "out.aec").read_bytes() == sources["a.aec"]


def test_the_library_reads_from_a_fifo(pictures, sources, coder):
    for number, call in enumerate(
        (coder.decode, coder.verify, coder.decode_picture, coder.latent, coder.bits_map, codec.info)
    ):
        with written_to(f"fifo{number}", sources["a.aec"]):
            call(f"fifo{number}")
    reader, writer = os.pipe()
    os.write(writer, sources["a.aec"])
    os.close(writer)
    with open(reader, "rb") as file:
        assert coder.decode(file).size == (56, 40)


def test_process_substitution(pictures, sources):
    script = "{0} decompress <(cat a.aec) -o b.png && {0} verify -j 2 <(cat a.aec) a.aec".format(" ".join(COMMAND))
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert Image.open("b.png").size == (56, 40) and done.stdout.count(": ok") == 2


def test_endless_devices_are_refused_at_once():
    for command in ("decompress", "verify", "info", "compress"):
        done = aecodec(command, "/dev/zero", *(["-o", "/dev/null"] if command.endswith("press") else []))
        assert done.exit_code == 1 and len(done.stderr.splitlines()) == 1


def test_a_fifo_in_a_tree_is_passed_over(pictures):
    os.makedirs("tree/deep")
    os.mkfifo("tree/deep/b.png")
    os.rename("a.png", "tree/a.png")
    done = aecodec("compress", "-r", "tree", "-o", "out/")
    assert done.exit_code == 0 and "deep/b.png" in done.stderr and os.listdir("out") == ["a.aec"]
