"""Files are read through one door: what is no ordinary file, no text, or of another kind is said by name."""

import io
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from iqa_sr.io import tensor_files
from iqa_sr.io.file_kinds import describe_content, describe_file
from iqa_sr.io.files import read_file, read_text
from iqa_sr.io.images import decode_image, inspect_image, read_image
from iqa_sr.io.json_files import read_json, write_json
from iqa_sr.io.network_states import load_state
from iqa_sr.io.tables import as_number, read_columns, read_lines
from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.metrics.registry import create_metric, metric_info

READERS = {
    "bytes": read_file,
    "text": read_text,
    "json": read_json,
    "image": read_image,
    "header": inspect_image,
    "table": read_lines,
    "excel": lambda path: read_lines(path.rename(path.with_suffix(".xlsx"))),
    "tensors": read_tensor_file,
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (os.mkfifo, "a pipe"),
        (lambda path: path.symlink_to("/dev/zero"), "a device"),
        (lambda path: path.mkdir(), "a folder"),
    ],
)
def test_what_is_no_ordinary_file_is_refused_and_never_waited_for(tmp_path, reader, make, kind):
    make(tmp_path / "x.png")
    with pytest.raises(ValueError, match=rf"x\.(png|xlsx): expected an? .*, but this is {kind}"):
        READERS[reader](tmp_path / "x.png")


def test_a_missing_file_a_dangling_link_and_no_path(tmp_path):
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "file").touch()
    for name, text in (
        ("no", "x .*no does not exist"),
        ("link", "a link that leads nowhere"),
        ("file/in", "is a file"),
    ):
        with pytest.raises(FileNotFoundError, match=text):
            read_file(tmp_path / name, "x")
    with pytest.raises(ValueError, match=r"expected the path of a x, got '.*\\x00b'"):
        read_file(f"{tmp_path}/a\0b", "x")


def in_zip(name):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(name, "x")
    return content.getvalue()


KINDS = {
    b"": "empty",
    bytes(100): "nothing but zero bytes",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n": "a Git LFS pointer",
    b"\xef\xbb\xbf\n <!DOCTYPE html><html>": "an HTML page",
    b"<?xml version='1.0'?><Error/>": "an XML file",
    b"<?xml version='1.0'?><svg/>": "an SVG drawing",
    b"7767517\n75 83\n": "the .param file of an ncnn network",
    b"\x47\x6b\x30\x01abc": "the .bin file of an ncnn network",
    b"GGUF\x03\0\0\0": "a GGUF file",
    b"\x08\x08\x12\x07pytorch\x1a\x05": "an ONNX network",
    b"\x1c\0\0\0TFL3": "a TensorFlow Lite network",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file",
    b"\x1f\x8b\x08": "a gzip archive",
    in_zip("net/data.pkl"): "a zip archive of PyTorch",
    in_zip("[Content_Types].xml"): "an Office file",
    in_zip("weight.npy"): "an archive of NumPy arrays",
    in_zip("hello.txt"): "a zip archive",
    pickle.dumps([1], protocol=4): "a Python pickle",
    struct.pack("<Q", 0x5A4D) + b'{"w":': "a safetensors file",  # the length begins as a program does
    b"\0\0\0\x1cftypavif": "an AVIF image",
    b"\0\0\0\x1cftypheic": "a HEIC image",
    "name;size\n".encode("utf-16"): "text in UTF-16",
    b"404: Not Found\n": "text that begins with '404: Not Found'",
    b"\xf5\x11\x07": "",
}


@pytest.mark.parametrize("content", KINDS, ids=range(len(KINDS)))
def test_what_a_file_is(content):
    assert describe_content(content).startswith(KINDS[content])


def test_a_file_that_cannot_be_read_is_nothing(tmp_path):
    assert describe_file(tmp_path) == describe_file(tmp_path / "no") == ""


@pytest.mark.parametrize("kind", ["lfs", "html", "onnx", "ncnn", "gguf", "zip"])
def test_a_whole_file_of_another_kind_is_called_what_it_is(tmp_path, kind):
    positions = {"lfs": 2, "html": 3, "onnx": 9, "ncnn": 6, "gguf": 8, "zip": 16}
    content = list(KINDS)[positions[kind]]
    (tmp_path / "net.pth").write_bytes(content)
    with pytest.raises(ValueError, match=rf"net\.pth is damaged or not a file of tensors; it is {KINDS[content]}"):
        read_tensor_file(tmp_path / "net.pth")
    with pytest.raises(ValueError, match=rf"not an image that can be read, or damaged; it is {KINDS[content]}"):
        inspect_image(tmp_path / "net.pth")
    (tmp_path / "t.xlsx").write_bytes(content)
    with pytest.raises(ValueError, match=rf"t\.xlsx: damaged, or not an Excel file .*; it is {KINDS[content]}"):
        read_lines(tmp_path / "t.xlsx")


# --- JSON -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", r"Expecting value.*; it is empty"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', "the key 'c' stands there twice"),
        (b"9" * 5000, "Exceeds the limit"),
        (b"<html>", "it is an HTML page"),
        (b'{"n": "\xe9"}', "not a text file; expected a JSON file in UTF-8, but it has the byte 0xe9 at position 7"),
        (b"\xff\xfe{\0}\0", "it is text in UTF-16"),
    ],
    ids=range(8),
)
def test_a_json_file_that_is_none_is_named(tmp_path, content, text):
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(ValueError, match=rf"x\.json: .*{text}"):
        read_json(tmp_path / "x.json")


def test_json_keeps_names_that_are_not_utf_8(tmp_path):
    name = os.fsdecode(b"\xff\xe9.png")
    for content in ({"größe": "½"}, {name: [name, "½"]}):
        write_json(tmp_path / "x.json", content, indent=1)
        assert read_json(tmp_path / "x.json") == content
    (tmp_path / "x.json").write_bytes(b"\xef\xbb\xbf{}\r\n")
    assert read_json(tmp_path / "x.json") == {}


# --- Tables -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"image,score,score\na,1,2\n", "more than one column is called score"),
        (b"image,score\na,3,25\n", "row 1 below the names has 3 cells for 2 columns: a, 3, 25\nWrite numbers with a"),
        (b"image;score\na;1\n", "expected the columns image, score, found image;score; separate .* by commas"),
        (b'image,score\n"a,1\nb,2\n', "not a CSV file"),
        (b"image,score\n" + b"x" * 200_000 + b",1\n", "field larger than field limit"),
        ("image,score\n".encode("utf-16"), "not a text file; .* it is text in UTF-16"),
        (
            b"version https://git-lfs.github.com/spec/v1\nsize 9\n",
            "columns image, score, but it is a Git LFS pointer",
        ),
    ],
    ids=range(7),
)
def test_tables_that_would_be_read_as_something_else(tmp_path, content, text):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(ValueError, match=rf"t\.csv: .*{text}"):
        read_columns(tmp_path / "t.csv", ("image", "score"))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_tables_of_every_system(tmp_path, end):
    text = end.join(["image,score", "a\u2028b,1", "", '"c,d", 2 ', "e,"])
    (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    _, rows = read_columns(tmp_path / "t.csv", ("image", "score"))
    assert [list(row.values()) for row in rows] == [["a\u2028b", "1"], ["c,d", "2"], ["e", ""]]


def test_numbers_of_tables():
    for text, value in (("1", 1), (" -2.5e1 ", -25), (".5", 0.5), ("3.", 3), (4, 4), (np.float32(2), 2)):
        assert as_number(text) == value
    for text in ("1_0", "0x10", "inf", "nan", "", "1,5", "٣", None, [], "1e", "--1"):
        assert np.isnan(as_number(text))


# --- Tensors ----------------------------------------------------------------------------------------------------------


def as_file(content):
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


WHOLE = as_file({"params": {"weight": torch.ones(3, 3)}})


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (WHOLE[100:], "is truncated or not a file of tensors"),
        (b"\x80\x02" + b"]" * 20_000 + b"a" * 19_999 + b".", "is truncated or not a file of tensors"),
        (struct.pack("<Q", 2**62) + b'{"a"', "is truncated or not a file of tensors"),
        (b"PK\x05\x06" + bytes(18), "it is an empty zip archive"),
        *[(b"\x80\x02" + code * 3 + b".", "is truncated or not a file") for code in (b"s", b"b", b"R", b"\x85")],
    ],
    ids=range(8),
)
def test_damaged_files_of_tensors_never_end_in_a_stack_trace(tmp_path, content, text):
    (tmp_path / "net.pth").write_bytes(content)
    with pytest.raises(ValueError, match=rf"net\.pth .*{text}"):
        read_tensor_file(tmp_path / "net.pth")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda w: w.to_sparse(), "expected ordinary tensors, got 1 others: weight is sparse"),
        (lambda w: w.to("meta"), "weight is without values"),
        (lambda w: torch.quantize_per_tensor(w, 0.1, 0, torch.qint8), "weight is quantized"),
        (lambda w: w.int(), r"1 of another type: weight torch\.int32 instead of torch\.float32"),
        (lambda w: w > 0, r"weight torch\.bool instead of"),
        (lambda w: w.to(torch.complex64), r"weight torch\.complex64 instead of"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_tensors_that_no_network_can_take_are_named(change, text):
    network = torch.nn.Linear(3, 3, bias=False)
    with pytest.raises(ValueError, match=f"net.pth.*{text}|net.pth does not fit Linear:\n.*{text}"):
        load_state(network, {"weight": change(torch.ones(3, 3))}, "net.pth")
    for exact in (torch.float64, torch.float16, torch.bfloat16):
        assert load_state(network, {"weight": torch.ones(3, 3, dtype=exact)}, "net.pth") == []


# --- Images -----------------------------------------------------------------------------------------------------------


def encoded(kind, mode="RGB", **options):
    content = io.BytesIO()
    Image.new(mode, (24, 16), 7).save(content, kind, **options)
    return content.getvalue()


@pytest.mark.parametrize("kind", ["GIF", "PPM", "AVIF", "JPEG2000", "TIFF", "WEBP", "BMP"])
def test_types_that_pillow_reads(tmp_path, kind):
    (tmp_path / "x").write_bytes(encoded(kind))
    assert inspect_image(tmp_path / "x") == (16, 24) and read_image(tmp_path / "x").shape == (16, 24, 3)


@pytest.mark.parametrize("kind", ["AVIF", "TIFF", "GIF", "JPEG2000", "WEBP"])
def test_whatever_a_decoder_stumbles_over_is_damage(tmp_path, kind):
    """Pillow's decoders raise TypeError, RuntimeError and others at damaged headers."""
    whole, random, refused = encoded(kind), np.random.default_rng(1), 0
    for _ in range(40):
        content = bytearray(whole)
        for position in random.integers(0, min(len(whole), 300), 3):
            content[position] = random.integers(0, 256)
        try:
            decode_image(bytes(content), "x")
        except ValueError as error:
            refused += "x: " in str(error)
    assert refused > 2


@pytest.mark.parametrize("kind", ["ICO", "TGA", "PCX", "EPS", "PDF"])
def test_other_types_of_pillow_are_no_images_of_ours(tmp_path, kind):
    (tmp_path / "x.png").write_bytes(encoded(kind))
    with pytest.raises(ValueError, match=r"x\.png: not an image that can be read, or damaged"):
        inspect_image(tmp_path / "x.png")


def test_deep_ppm_keeps_its_16_bits_and_what_cannot_be_kept_is_refused(tmp_path):
    levels = np.arange(0, 65536, 256, dtype=">u2").reshape(8, 32)
    (tmp_path / "x.pgm").write_bytes(b"P5 32 8 65535\n" + levels.tobytes())
    assert (read_image(tmp_path / "x.pgm")[..., 0] == levels).all()
    for content, text in (
        (b"P5 1 1 1023\n\0\1", "has levels up to 1023"),
        (encoded("JPEG2000", "I;16"), "is a JPEG 2000 file of 16 bits a channel"),
        (encoded("GIF", save_all=True, append_images=[Image.new("RGB", (24, 16), "red")]), "holds 2 frames"),
    ):
        (tmp_path / "x.ppm").write_bytes(content)
        with pytest.raises(ValueError, match=text):
            inspect_image(tmp_path / "x.ppm")


def test_images_too_large_are_refused_by_their_header(tmp_path):
    header = b"P5 12000 12000 255\n"  # the pixels need not be there
    for content, text in ((header, "12000x12000 px .* are 144 megapixels"), (b"P5 99999 99999 255\n", "Image size")):
        (tmp_path / "x.pgm").write_bytes(content)
        with pytest.raises(
            ValueError, match=rf"too large \({text}.*at most 134 megapixels are read, cut it into pieces"
        ):
            inspect_image(tmp_path / "x.pgm")


def test_a_png_without_its_end_is_truncated(tmp_path):
    (tmp_path / "x.png").write_bytes(encoded("PNG")[:-12])
    with pytest.raises(ValueError, match=r"x\.png: truncated, the end of the PNG file is missing"):
        inspect_image(tmp_path / "x.png")
    (tmp_path / "x.png").write_bytes(encoded("PNG") + b"more")
    assert inspect_image(tmp_path / "x.png") == (16, 24)


def test_weights_of_a_metric_that_hold_something_else(tmp_path, monkeypatch):
    monkeypatch.setenv("IQA_SR_WEIGHTS", str(tmp_path))
    for content in ({"params_of": {"w": torch.zeros(2)}}, [torch.zeros(2)], {"w": 5}):
        for file in metric_info("musiq").weights:
            torch.save(content, tmp_path / file)
        with pytest.raises(
            ValueError, match="musiq: its weights, .*, hold something else than expected .(Attribute|Type)Error"
        ):
            create_metric("musiq")


def test_a_zip_that_unpacks_to_much_more_than_it_is_is_no_file_of_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(tensor_files, "_LARGEST_UNPACKED", 2**16)
    with zipfile.ZipFile(io.BytesIO(WHOLE)) as whole, zipfile.ZipFile(tmp_path / "net.pth", "w") as bomb:
        for entry in whole.infolist():
            content = bytes(2**22) if entry.filename.endswith("data/0") else whole.read(entry)
            bomb.writestr(entry.filename, content, zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match=r"net\.pth is no file of weights: its \d+ bytes unpack to 41\d+"):
        read_tensor_file(tmp_path / "net.pth")
