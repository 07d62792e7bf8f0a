"""Kind of a file, by its first bytes: for the errors about files that are something else than they are called."""

import re
from pathlib import Path

__all__ = ["describe_content", "describe_file"]

_HEAD = 512
"""Number of bytes that are read."""

_STARTS = (
    (b"version https://git-lfs.github.com/spec/", "a Git LFS pointer, not the file itself (`git lfs pull` fetches it)"),
    (b"7767517\n", "the .param file of an ncnn network"),
    (b"7767517\r\n", "the .param file of an ncnn network"),
    (b"\x47\x6b\x30\x01", "the .bin file of an ncnn network"),
    (b"\x38\x4b\x0d\x00", "the .bin file of an ncnn network"),
    (b"GGUF", "a GGUF file, the weights of llama.cpp and its like"),
    (b"lmgg", "a GGML file, the weights of llama.cpp and its like"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras and MATLAB 7.3 write them"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"MATLAB 5.0", "a MATLAB file"),
    (b"MATLAB 7.3", "a MATLAB 7.3 file"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"%PDF-", "a PDF document"),
    (b"%!PS", "a PostScript file"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office file, as .xls"),
    (b"\x1f\x8b", "a gzip archive; unpack it"),
    (b"BZh", "a bzip2 archive; unpack it"),
    (b"\xfd7zXZ\0", "an xz archive; unpack it"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive; unpack it"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive; unpack it"),
    (b"Rar!\x1a\x07", "a RAR archive; unpack it"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"II*\0", "a TIFF image"),
    (b"MM\0*", "a TIFF image"),
    (b"\0\0\x01\0", "an ICO icon"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 image"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 image"),
    (b"\xff\x0a", "a JPEG XL image"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL image"),
    (b"8BPS", "a Photoshop file"),
    (b"v/1\x01", "an OpenEXR image"),
    (b"#?RADIANCE", "an HDR image"),
    (b"\xff\xfe", "text in UTF-16"),
    (b"\xfe\xff", "text in UTF-16"),
    (b"\x80\x02", "a Python pickle"),
    (b"\x80\x03", "a Python pickle"),
    (b"\x80\x04", "a Python pickle"),
    (b"\x80\x05", "a Python pickle"),
)
_ZIPPED = (
    ("data.pkl", "a zip archive of PyTorch"),
    (".npy", "an archive of NumPy arrays (.npz)"),
    ("[Content_Types].xml", "an Office file, as .xlsx"),
    ("", "a zip archive"),
)
_HEIF = {b"avif": "an AVIF image", b"avis": "an AVIF image"}


def describe_file(path: str | Path) -> str:
    """Kind of a file, as `describe_content` gives it of its first bytes; nothing where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return describe_content(file.read(_HEAD))
    except OSError:
        return ""


def describe_content(head: bytes) -> str:
    """Kind of a file by its first bytes, in words for a message.

    Args:
        head: First bytes of the file, at least 64 of them where there are so many.

    Returns:
        A few words with their article, to follow "it is"; empty where the bytes do not tell.
    """
    head = head[:_HEAD]
    if not head:
        return "empty"
    if not head.strip(b"\0"):
        return "nothing but zero bytes; was it copied or downloaded whole?"
    if head[8:10] in (b'{"', b"{}"):  # behind the length of its header, which may be any bytes
        return "a safetensors file"
    for start, kind in _STARTS:
        if head.startswith(start):
            return kind
    return _describe_container(head) or _describe_text(head)


def _describe_container(head: bytes) -> str:
    """Formats that begin with a size or a version instead of a mark of its own."""
    if head.startswith(b"PK\x03\x04"):
        name = head[30 : 30 + int.from_bytes(head[26:28], "little")].decode("utf-8", "replace")
        return next(kind for end, kind in _ZIPPED if name.endswith(end))
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "a WebP image"
    if head[4:8] == b"ftyp":
        return _HEIF.get(head[8:12], "a HEIC image" if head[8:12] in (b"heic", b"heix", b"mif1") else "a video")
    if head[4:8] == b"TFL3":
        return "a TensorFlow Lite network"
    # Protocol buffers: the version of the format (field 1), then the producer, the graph or the operators' versions.
    if head[0] == 8 and len(head) > 2 and 1 <= head[1] <= 30 and head[2] in b"\x12\x1a\x22\x3a\x42":
        return "an ONNX network"
    return "a tar archive; unpack it" if head[257:262] == b"ustar" else ""


def _describe_text(head: bytes) -> str:
    try:
        text = head.decode("utf-8", "strict" if len(head) < _HEAD else "ignore").lstrip("\ufeff \t\r\n")
    except UnicodeDecodeError:
        return ""
    if re.search(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]", text):
        return ""
    low = text.lower()
    if low.startswith(("<!doctype html", "<html", "<head")):
        return "an HTML page; was the download answered by a web page?"
    if low.startswith(("<?xml", "<svg")):
        return "an SVG drawing" if "<svg" in low else "an XML file"
    first = text.splitlines()[0] if text else ""
    return f"text that begins with {first[:40]!r}" if first else "empty text"
