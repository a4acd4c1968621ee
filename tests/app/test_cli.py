"""Compressing and decompressing on the command line: what becomes of files, one and many."""

import os

import cli_files
import numpy as np
import pytest
from cli_files import aecodec, listing, objects, picture, succeed
from PIL import Image

import codec

samples = pytest.fixture(scope="module")(cli_files.samples)
pictures = pytest.fixture(cli_files.pictures)
files = pytest.fixture(cli_files.files)


# Compress and decompress


def test_there_and_back_beside_the_inputs(pictures):
    result = succeed("compress", "a.png", "b.png")
    assert result.output == ""
    os.rename("a.png", "original.png")
    succeed("decompress", "a.aec")
    assert listing() == ["a.aec", "a.png", "b.aec", "b.png", "original.png"]
    with Image.open("a.png") as decoded, Image.open("original.png") as original:
        assert decoded.format == "PNG" and decoded.size == original.size
        assert np.abs(np.asarray(decoded, int) - np.asarray(original, int)).mean() < 10


def test_quality_takes_decimals_and_orders_the_sizes(pictures):
    sizes = [len(succeed("compress", "a.png", "-q", quality, "-c").stdout_bytes) for quality in (1, 33.3, 60, 100)]
    assert sizes == sorted(set(sizes))
    assert (
        succeed("compress", "a.png", "-c").stdout_bytes
        == succeed("compress", "a.png", "-c", "--quality", "60").stdout_bytes
    )


def test_effort_and_fast_are_those_of_the_library(pictures):
    file = succeed("compress", "a.png", "-e", 2, "-c").stdout_bytes
    assert file == codec.compress("a.png", effort=2, device="cpu") != codec.compress("a.png", device="cpu")
    (pictures / "a.aec").write_bytes(file)
    succeed("decompress", "a.aec", "--fast", "-o", "fast.png")
    assert (np.asarray(Image.open("fast.png")) == np.asarray(codec.decompress(file, fast=True, device="cpu"))).all()
    os.mkdir("tree")
    os.link("a.png", "tree/a.png")
    succeed("batch", "tree", "made", "--effort", 2)
    assert (pictures / "made" / "a.aec").read_bytes() == file


def test_output_does_not_depend_on_the_way_it_is_asked_for(pictures, samples):
    succeed("compress", "a.png", "b.png", "--jobs", 2, "--device", "cpu")
    succeed("compress", "a.png", "-o", "file.aec")
    stdout = succeed("compress", "./a.png", "-o", "-").stdout_bytes
    assert (pictures / "a.aec").read_bytes() == (pictures / "file.aec").read_bytes() == stdout


def test_stdin_to_stdout_and_back(pictures):
    coded = succeed("compress", "-", input=(pictures / "a.png").read_bytes()).stdout_bytes
    decoded = succeed("decompress", "-", input=coded).stdout_bytes
    (pictures / "c.aec").write_bytes(coded)
    succeed("decompress", "c.aec")
    assert decoded == (pictures / "c.png").read_bytes()
    succeed("decompress", "-", "-o", "out/", input=coded)
    assert (pictures / "out" / "stdin.png").read_bytes() == decoded


@pytest.mark.parametrize(
    "suffix, format", [("jpg", "JPEG"), ("webp", "WEBP"), ("TIFF", "TIFF"), ("png", "PNG"), ("ppm", "PPM")]
)
def test_suffix_of_the_output_is_its_format(files, suffix, format):
    succeed("decompress", "a.aec", "-o", f"out.{suffix}")
    with Image.open(f"out.{suffix}") as image:
        assert image.format == format and image.size == (56, 40)


def test_unknown_output_format_is_refused(files):
    result = aecodec("decompress", "a.aec", "-o", "out.xyz")
    assert result.exit_code == 1 and "xyz" in result.stderr
    assert listing() == ["a.aec", "b.aec"]


def test_sixteen_bits_come_back_as_sixteen(folder):
    Image.fromarray(np.linspace(0, 65535, 40 * 56).reshape(40, 56).astype(np.uint16)).save("deep.png")
    succeed("compress", "deep.png", "-o", "deep.aec")
    succeed("decompress", "deep.aec", "-o", "back.png")
    with Image.open("back.png") as image:
        assert image.mode == "I;16"


def test_strip_removes_what_is_named(folder):
    exif = Image.Exif()
    exif[0x010E] = "a description"
    Image.fromarray(picture()).save("a.jpg", exif=exif, icc_profile=_profile(), quality=95)
    for arguments, kept in [
        ((), {"exif", "icc_profile"}),
        (("--strip", "exif"), {"icc_profile"}),
        (("--strip", "all"), set()),
        (("--strip", "xmp,icc"), {"exif"}),
    ]:
        succeed("compress", "a.jpg", "-f", *arguments)
        succeed("decompress", "a.aec", "-f")
        with Image.open("a.png") as image:
            assert {"exif", "icc_profile"} & set(image.info) == kept


def _profile():
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def test_max_pixels_limits_both_directions(pictures, samples):
    (pictures / "c.aec").write_bytes(samples[1]["a"])
    for arguments in (("compress", "a.png"), ("decompress", "c.aec")):
        result = aecodec(*arguments, "--max-pixels", 40 * 56 - 1)
        assert result.exit_code == 1 and "--max-pixels" in result.stderr
        succeed(*arguments, "--max-pixels", 40 * 56)
        succeed(*arguments, "--max-pixels", 0, "-f")


# Several files, directories, lists


def test_bad_files_are_reported_and_the_others_done(pictures):
    (pictures / "bad.png").write_bytes(b"no picture")
    os.mkdir("folder")
    result = aecodec("compress", "bad.png", "a.png", "nowhere.png", "folder", "b.png")
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert [line.split(":")[:2] for line in lines] == [
        ["aecodec", " bad.png"],
        ["aecodec", " nowhere.png"],
        ["aecodec", " folder"],
    ]
    assert "no such file" in lines[1] and "-r" in lines[2]
    assert {"a.aec", "b.aec"} <= set(listing()) and "bad.aec" not in listing()


def test_truncated_and_corrupt_files_leave_no_output(folder, samples):
    data = samples[1]["a"]
    (folder / "short.aec").write_bytes(data[:-5])
    (folder / "flipped.aec").write_bytes(data[:-5] + bytes([data[-5] ^ 1]) + data[-4:])
    (folder / "foreign.aec").write_bytes(samples[0]["a"])
    (folder / "empty.aec").write_bytes(b"")
    for command in ("decompress", "verify"):
        result = aecodec(command, "short.aec", "flipped.aec", "foreign.aec", "empty.aec")
        assert result.exit_code == 1 and result.stdout == "" and "Traceback" not in result.stderr
        lines = result.stderr.splitlines()
        assert len(lines) == 4 and not any("unexpected" in line for line in lines)
    assert listing() == ["empty.aec", "flipped.aec", "foreign.aec", "short.aec"]


def test_tree_is_mirrored(pictures):
    os.makedirs("tree/deep/er")
    os.rename("a.png", "tree/a.PNG")
    os.rename("b.png", "tree/deep/er/b.png")
    (pictures / "tree" / "notes.txt").write_text("no picture")
    succeed("compress", "-r", "tree", "-o", "small/")
    assert listing("small") == ["a.aec", "deep/er/b.aec"]
    succeed("decompress", "-r", "small", "--output-dir", "back")
    assert listing("back") == ["a.png", "deep/er/b.png"]
    succeed("compress", "-r", "tree")
    assert listing("tree") == ["a.PNG", "a.aec", "deep/er/b.aec", "deep/er/b.png", "notes.txt"]


def test_directory_without_pictures_is_an_error(folder):
    os.mkdir("empty")
    result = aecodec("compress", "-r", "empty")
    assert result.exit_code == 1 and result.stderr.startswith("aecodec: empty: holds no file")


@pytest.mark.parametrize("separator", ["\n", "\r\n", "\0"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_file_list(pictures, separator, encoding):
    os.rename("b.png", "b\u0142.png")
    (pictures / "list").write_bytes(separator.join(["a.png", "b\u0142.png", ""]).encode(encoding))
    succeed("compress", "--filelist", "list")
    assert {"a.aec", "b\u0142.aec"} <= set(listing())


def test_file_list_from_stdin(pictures):
    os.rename("a.png", "line\nbreak.png")
    succeed("compress", "--filelist", "-", input="line\nbreak.png\0b.png\0")
    assert {"line\nbreak.aec", "b.aec"} <= set(listing())


@pytest.mark.parametrize(
    "name",
    [
        b"with space.png",
        b"line\nbreak.png",
        b"caf\xe9.png",
        "Grüße 写真.png".encode(),
        b"-q.png",
        b"no suffix",
        b"$(x);'\".png",
    ],
)
def test_odd_names(pictures, name):
    name = os.fsdecode(name)
    os.rename("a.png", name)
    record = objects(succeed("compress", "--json", "--", name))[0]
    coded = os.path.splitext(name)[0] + ".aec"
    assert (record["input"], record["output"]) == (name, coded) and os.path.exists(coded)
    result = aecodec("compress", "--", name)
    assert result.exit_code == 1 and len(result.stderr.splitlines()) == 1


def test_inputs_for_one_output_are_refused_and_the_others_done(pictures):
    os.rename("b.png", "a.jpg")
    os.mkdir("d")
    (pictures / "d" / "a.png").write_bytes((pictures / "a.png").read_bytes())
    before = listing()
    for arguments in (
        ("a.png", "a.jpg"),
        ("a.png", "./d/../a.png"),
        ("a.png", "d/a.png", "-o", "out/"),
        ("a.png", "a.jpg", "-f"),
        ("a.png", "a.jpg", "-n"),
    ):
        result = aecodec("compress", *arguments)
        assert result.exit_code == 1 and result.stderr.count("and so would") == len(result.stderr.splitlines()) == 2
    assert listing() == before
    os.mkdir("out")
    os.symlink("a.aec", "out/c.aec")
    for name in ("c.png", "d.png"):
        (pictures / name).write_bytes((pictures / "a.png").read_bytes())
    result = aecodec("compress", "a.png", "a.jpg", "c.png", "d.png", "d/a.png", "-o", "out", "-f")
    assert (
        result.exit_code == 1
        and "aecodec: a.png: would become out/a.aec, and so would a.jpg and 2 more" in result.stderr
    )
    assert len(result.stderr.splitlines()) == 4 and sorted(os.listdir("out")) == ["c.aec", "d.aec"]


def test_jobs_change_neither_bytes_nor_order(folder):
    names = [f"{seed}.png" for seed in range(7)]
    for seed, name in enumerate(names):
        Image.fromarray(picture(seed, height=30 + 40 * (seed % 3))).save(name)
    names.insert(3, "missing.png")
    outputs = []
    for jobs in (1, 3):
        result = aecodec("compress", "-f", "--json", "-j", jobs, *names)
        assert result.exit_code == 1
        assert [record["input"] for record in objects(result)] == names
        outputs.append([(folder / f"{seed}.aec").read_bytes() for seed in range(7)])
    assert outputs[0] == outputs[1]


# Existing outputs and inputs


def test_existing_output_is_refused_skipped_or_overwritten(pictures):
    (pictures / "a.aec").write_bytes(b"mine")
    result = aecodec("compress", "a.png", "b.png")
    assert result.exit_code == 1 and "a.aec" in result.stderr and "-f" in result.stderr
    assert (pictures / "a.aec").read_bytes() == b"mine" and (pictures / "b.aec").exists()
    result = succeed("compress", "-n", "a.png", "b.png")
    assert result.output == "" and (pictures / "a.aec").read_bytes() == b"mine"
    assert objects(succeed("compress", "-n", "--json", "a.png")) == [
        {"input": "a.png", "output": "a.aec", "skipped": True}
    ]
    succeed("compress", "-f", "a.png")
    assert (pictures / "a.aec").read_bytes() != b"mine"


def test_failure_keeps_the_old_output_even_with_force(pictures):
    (pictures / "bad.png").write_bytes(b"no picture")
    (pictures / "bad.aec").write_bytes(b"mine")
    assert aecodec("compress", "-f", "bad.png").exit_code == 1
    assert (pictures / "bad.aec").read_bytes() == b"mine"


def test_output_that_is_the_input_is_refused(files, samples):
    for arguments in (("compress", "a.aec"), ("decompress", "a.aec", "-o", "./a.aec")):
        result = aecodec(*arguments, "-f")
        assert result.exit_code == 1 and "same file" in result.stderr
    assert (files / "a.aec").read_bytes() == samples[1]["a"]


def test_direction_is_never_guessed(pictures):
    result = aecodec("decompress", "a.png", "-f")
    assert result.exit_code == 1 and "does not end in .aec" in result.stderr
    assert aecodec("decompress", "a.png", "-o", "out.png").exit_code == 1
    assert listing() == ["a.png", "b.png"]


def test_rm_removes_proved_inputs_only(pictures):
    (pictures / "bad.png").write_bytes(b"no picture")
    assert aecodec("compress", "--rm", "a.png", "bad.png").exit_code == 1
    assert listing() == ["a.aec", "b.png", "bad.png"]
    succeed("compress", "-k", "b.png")
    assert "b.png" in listing()
    result = aecodec("decompress", "--rm", "a.aec", "-o", "a.jpg")
    assert result.exit_code == 1 and "--rm would lose" in result.stderr and "a.jpg" not in listing()
    succeed("decompress", "--rm", "a.aec")
    assert listing() == ["a.png", "b.aec", "b.png", "bad.png"]


def test_rm_keeps_an_input_whose_output_does_not_decode(pictures, monkeypatch):
    from codec.errors import Corrupt
    from codec.pipeline.decoder import Decoder

    def broken(*_, **__):
        raise Corrupt("the symbols are not those that were written")

    monkeypatch.setattr(Decoder, "scan", broken)
    result = aecodec("compress", "--rm", "a.png")
    assert result.exit_code == 1 and "symbols" in result.stderr
    assert listing() == ["a.png", "b.png"]


def test_skipped_input_is_not_removed(pictures):
    (pictures / "a.aec").write_bytes(b"mine")
    succeed("compress", "--rm", "-n", "a.png")
    assert listing() == ["a.aec", "a.png", "b.png"]


def test_failed_write_is_one_sentence(pictures):
    result = aecodec("compress", "a.png", "-o", "b.png/a.aec")
    assert (
        result.exit_code == 1 and result.stderr.startswith("aecodec: a.png: ") and len(result.stderr.splitlines()) == 1
    )
