"""Files of tensors: whole or not at all, read without running code."""

import pickle
import resource
import signal

import pytest
import torch
from torch import nn

from iqa_sr.io.files import atomic_write
from iqa_sr.io.network_states import load_state, select_state_dict
from iqa_sr.io.tensor_files import read_tensor_file, write_tensor_file


class Evil:
    def __reduce__(self):
        return (exec, ("raise SystemExit('code was run')",))


def test_what_is_written_is_read(tmp_path):
    content = {"a": torch.arange(5), "b": {"c": 1.5, "d": [1, "x", None]}}
    write_tensor_file(content, tmp_path / "x.pth")
    read = read_tensor_file(tmp_path / "x.pth")
    assert torch.equal(read["a"], content["a"]) and read["b"] == content["b"]
    assert [path.name for path in tmp_path.iterdir()] == ["x.pth"], "no temporary file is left"


def test_a_failing_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.pth"
    path.write_bytes(b"old")

    def fail(temporary):
        temporary.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        atomic_write(path, fail)
    assert path.read_bytes() == b"old" and [p.name for p in tmp_path.iterdir()] == ["x.pth"]


def test_a_device_without_room_is_a_clear_error(tmp_path):
    """A limit on file sizes stands for the full device: the operating system refuses to write on."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"cannot write .*x\.pth: File too large\nFree space"):
            write_tensor_file({"a": torch.zeros(100_000)}, tmp_path / "x.pth")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert not list(tmp_path.iterdir()), "nothing half-written is left"


def test_pickled_code_is_refused(tmp_path):
    torch.save({"params": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(ValueError, match=r"evil\.pth holds pickled objects .* refused"):
        read_tensor_file(tmp_path / "evil.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(ValueError, match=r"plain\.pth"):
        read_tensor_file(tmp_path / "plain.pth")


def test_truncated_and_missing_files_are_named(tmp_path):
    torch.save({"a": torch.zeros(1000)}, tmp_path / "x.pth")
    (tmp_path / "x.pth").write_bytes((tmp_path / "x.pth").read_bytes()[:500])
    with pytest.raises(ValueError, match=r"x\.pth is truncated"):
        read_tensor_file(tmp_path / "x.pth")
    (tmp_path / "empty.pth").write_bytes(b"")
    with pytest.raises(ValueError, match=r"empty\.pth"):
        read_tensor_file(tmp_path / "empty.pth")
    with pytest.raises(FileNotFoundError, match=r"nothing\.pth does not exist"):
        read_tensor_file(tmp_path / "nothing.pth")


def test_the_state_dict_of_a_checkpoint():
    state = {"module.w": torch.zeros(2)}
    assert list(select_state_dict({"params": state}, "x", "params")) == ["w"]
    with pytest.raises(ValueError, match="expected a checkpoint with the key 'params_em', found params"):
        select_state_dict({"params": state}, "x", "params_em")
    assert list(select_state_dict(state, "x", None)) == ["w"]
    with pytest.raises(ValueError, match="expected a checkpoint with the key 'params', found module.w"):
        select_state_dict(state, "x.pth", "params")
    with pytest.raises(ValueError, match="is it a training state"):
        select_state_dict({"params": {"iter": 3}}, "x.pth", "params")


def test_another_network_is_refused_with_a_few_keys():
    network = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    state = {"0.weight": torch.zeros(3, 2), "0.bias": torch.zeros(4), "9.x": torch.zeros(1), "9.y": torch.zeros(1)}
    with pytest.raises(ValueError) as caught:
        load_state(network, state, "x.pth")
    text = str(caught.value)
    assert "2 missing: 1.weight, 1.bias" in text and "2 unexpected: 9.x, 9.y" in text
    assert "0.bias (4,) instead of (3,)" in text and len(text.splitlines()) <= 5
    left_out = load_state(network, state, "x.pth", strict=False)
    assert sorted(left_out) == ["0.bias", "1.bias", "1.weight", "9.x", "9.y"]
    assert torch.equal(network[0].weight, torch.zeros(3, 2))


def test_a_mapped_file_holds_the_same(tmp_path):
    content = {"params": {"w": torch.randn(1000), "n": torch.tensor(3)}, "epoch": 7}
    for new in (True, False):
        torch.save(content, tmp_path / "x.pth", _use_new_zipfile_serialization=new)
        read = read_tensor_file(tmp_path / "x.pth", mmap=True)
        assert torch.equal(read["params"]["w"], content["params"]["w"]) and read["epoch"] == 7
    torch.save({"params": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(ValueError, match="refused"):
        read_tensor_file(tmp_path / "evil.pth", mmap=True)


def test_a_safetensors_file_is_read_whatever_its_name(tmp_path):
    save_file = pytest.importorskip("safetensors.torch").save_file
    state = {"a.weight": torch.randn(3, 4), "b": torch.tensor([1, 2]).half()}
    for name in ("x.safetensors", "x.pth"):
        save_file(state, tmp_path / name)
        read = read_tensor_file(tmp_path / name)
        assert all(torch.equal(read[key], state[key]) for key in state) and set(read) == set(state)
    (tmp_path / "short.safetensors").write_bytes((tmp_path / "x.pth").read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"short\.safetensors is truncated"):
        read_tensor_file(tmp_path / "short.safetensors")
    torch.save(state, tmp_path / "y.safetensors")
    assert set(read_tensor_file(tmp_path / "y.safetensors")) == set(state), "the content decides"


def test_a_web_page_is_no_file_of_tensors(tmp_path):
    (tmp_path / "x.pth").write_text("<html><body>Not found</body></html>")
    with pytest.raises(ValueError, match=r"x\.pth is damaged or not a file of tensors"):
        read_tensor_file(tmp_path / "x.pth")


@pytest.mark.parametrize("mmap", [False, True])
def test_a_flipped_bit_never_changes_what_is_read(tmp_path, mmap):
    """torch writes checksums and does not look at them: it gives other weights, or stumbles somewhere."""
    content, path = {"params": {"w": torch.arange(12.0), "n": torch.tensor(3)}, "iter": 7}, tmp_path / "5.state"
    write_tensor_file(content, path)
    good = path.read_bytes()
    for at in range(0, len(good), 23):
        path.write_bytes(good[:at] + bytes([good[at] ^ 0x11]) + good[at + 1 :])
        try:
            read = read_tensor_file(path, mmap=mmap)
        except ValueError as error:
            assert str(error).startswith(f"{path} "), str(error)
        else:
            assert torch.equal(read["params"]["w"], content["params"]["w"]) and read["iter"] == 7, at
    path.write_bytes(good.replace(torch.arange(12.0).numpy().tobytes(), torch.arange(1.0, 13).numpy().tobytes()))
    with pytest.raises(ValueError, match=r"5\.state is damaged: its part .*data/0 is not what was written"):
        read_tensor_file(path, mmap=mmap)


def test_a_file_without_checksums_is_read(tmp_path):
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"w": torch.ones(3)}, tmp_path / "x.pth")
    finally:
        torch.serialization.set_crc32_options(True)
    assert torch.equal(read_tensor_file(tmp_path / "x.pth")["w"], torch.ones(3))
