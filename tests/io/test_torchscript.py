"""TorchScript archives: the tensors of `torch.jit.load(...).state_dict()`, and nothing that could run."""

import collections
import pickle
import struct
import warnings
import zipfile

import pytest
import torch
from torch import nn

from iqa_sr.io.tensor_files import file_kind, read_tensor_file

# torch.jit is deprecated in favor of torch.export, but files that it wrote are published.
pytestmark = pytest.mark.filterwarnings("ignore")


class Child(nn.Module):
    def __init__(self):
        super().__init__()
        self.narrow = nn.Parameter(torch.randn(2, 3).half())
        self.register_buffer("count", torch.tensor(3))
        self.register_buffer("passing", torch.ones(2), persistent=False)
        self.register_parameter("absent", None)
        self.number, self.numbers, self.words = 5, [1, 2], {"a": 1.5}
        self.plain, self.several, self.where = torch.ones(3), [torch.ones(1)], torch.device("cpu")

    def forward(self, x):
        return x + self.number + self.plain.sum() + self.numbers[0] + self.words["a"] + self.several[0]


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.child = Child()
        self.layers = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Sequential(nn.Linear(4, 2, bias=False)))
        self.list = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])
        self.scalar = nn.Parameter(torch.tensor(1.5))
        self.tied = self.layers[0].weight
        self.register_buffer("flags", torch.tensor([True, False]))
        self.register_buffer("wave", torch.tensor([1 + 2j]))
        self.register_buffer("brief", torch.randn(3).bfloat16())
        self.register_buffer("bytes", torch.arange(5, dtype=torch.uint8))
        self.register_buffer("nothing", torch.empty(0, 3))
        self.register_buffer("precise", torch.randn(2, 2, dtype=torch.float64))

    def forward(self, x):
        return self.child(x) + self.scalar


def equal_to_torch(path):
    ours, theirs = read_tensor_file(path), torch.jit.load(path).state_dict()
    assert list(ours) == list(theirs)
    for name, tensor in theirs.items():
        assert ours[name].dtype == tensor.dtype and ours[name].shape == tensor.shape, name
        assert torch.equal(ours[name], tensor) and ours[name].stride() == tensor.stride(), name
    return ours


def test_a_scripted_network(tmp_path):
    torch.jit.script(Network()).save(tmp_path / "x.pt")
    state = equal_to_torch(tmp_path / "x.pt")
    assert {"child.narrow", "child.count", "list.1.bias", "layers.2.0.weight", "scalar"} <= set(state)
    assert not {"child.plain", "child.several", "child.absent"} & set(state), "plain attributes are no part of it"
    assert state["scalar"].shape == () and state["child.narrow"].dtype == torch.float16


def test_a_traced_network(tmp_path):
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Sequential(nn.Conv2d(4, 2, 1))).eval()
    torch.jit.trace(network, torch.rand(1, 3, 8, 8)).save(tmp_path / "x.pt")
    state = equal_to_torch(tmp_path / "x.pt")
    assert all(torch.equal(state[name], tensor) for name, tensor in network.state_dict().items())


def test_a_network_in_half_precision_with_numbers_as_buffers(tmp_path):
    """Laid out as CLIP's published archives are."""
    network = nn.Sequential(nn.Linear(3, 3)).half()
    network.register_buffer("input_resolution", torch.tensor(224))
    torch.jit.script(network).save(tmp_path / "RN50.pt")
    state = equal_to_torch(tmp_path / "RN50.pt")
    assert state["input_resolution"] == 224 and state["0.weight"].dtype == torch.float16


def test_a_linear_regressor(tmp_path):
    """Laid out as ARNIQA's published regressors are."""

    class Regressor(nn.Module):
        def __init__(self):
            super().__init__()
            self.weights = nn.Parameter(torch.randn(1, 4096))
            self.biases = nn.Parameter(torch.tensor(0.3))

        def forward(self, x):
            return x @ self.weights.T + self.biases

    torch.jit.script(Regressor()).save(tmp_path / "regressor_x.pth")
    state = equal_to_torch(tmp_path / "regressor_x.pth")
    assert state["weights"].shape == (1, 4096) and state["biases"].shape == ()


def test_tensors_that_share_a_storage_share_it_again(tmp_path):
    class Views(nn.Module):
        def __init__(self):
            super().__init__()
            base = torch.arange(12.0)
            self.register_buffer("all", base)
            self.register_buffer("part", base[4:8])
            self.register_buffer("turned", base.view(3, 4).t())

        def forward(self, x):
            return x + self.part

    torch.jit.script(Views()).save(tmp_path / "x.pt")
    state = equal_to_torch(tmp_path / "x.pt")
    assert state["turned"].stride() == (1, 4)
    state["all"].zero_()
    assert not state["part"].any() and not state["turned"].any()


def test_a_compressed_archive(tmp_path):
    """Published files are repacked now and then."""
    torch.jit.script(nn.Linear(300, 300)).save(tmp_path / "x.pt")
    repack(tmp_path / "x.pt", tmp_path / "y.pt", compression=zipfile.ZIP_DEFLATED)
    equal_to_torch(tmp_path / "y.pt")


def test_an_archive_of_before_the_lists_of_buffers(tmp_path):
    """Every tensor of a module counts then."""
    torch.jit.script(nn.BatchNorm1d(2)).save(tmp_path / "x.pt")
    repack(tmp_path / "x.pt", tmp_path / "y.pt", lambda name, text: text.replace(b"  __buffers__", b"  # buffers"))
    assert set(read_tensor_file(tmp_path / "y.pt")) == set(torch.jit.load(tmp_path / "x.pt").state_dict())


def test_an_archive_and_a_saved_state_are_told_apart(tmp_path):
    torch.jit.script(nn.Linear(2, 2)).save(tmp_path / "script.pt")
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "state.pt")
    torch.save({}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    assert file_kind(tmp_path / "script.pt") == "torchscript"
    assert file_kind(tmp_path / "state.pt") == file_kind(tmp_path / "old.pt") == "torch"


# --- Damage and malice ------------------------------------------------------------------------------------------------


def repack(source, target, change=lambda name, content: content, compression=zipfile.ZIP_STORED, without=()):
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", compression) as new:
        for name in old.namelist():
            if name.split("/", 1)[1] not in without:
                new.writestr(name, change(name, old.read(name)))


@pytest.fixture
def archive(tmp_path):
    """Write an archive whose data.pkl is replaced."""
    torch.jit.script(nn.Linear(2, 2)).save(tmp_path / "good.pt")

    def write(content):
        path = tmp_path / "changed.pt"
        repack(tmp_path / "good.pt", path, lambda name, old: content if name.endswith("data.pkl") else old)
        return path

    return write


def glob(module, name):
    return b"c" + module.encode() + b"\n" + name.encode() + b"\n"


def call(module, name, argument):
    return b"\x80\x02" + glob(module, name) + b"X" + struct.pack("<I", len(argument)) + argument.encode() + b"\x85R."


@pytest.mark.parametrize(
    ("module", "name", "argument"),
    [
        ("os", "system", "touch was_run"),
        ("posix", "system", "touch was_run"),
        ("builtins", "eval", "open('was_run', 'w')"),
        ("builtins", "getattr", "x"),
        ("torch", "load", "x"),
        ("torch.hub", "load_state_dict_from_url", "x"),
        ("torch.jit._pickle", "__builtins__", "x"),
        ("torch.serialization", "os.system", "touch was_run"),
        ("iqa_sr.io.torchscript", "pickle", "x"),
        ("__torch__x", "y", "z"),
    ],
)
def test_a_pickle_that_asks_for_anything_else_is_refused(archive, tmp_path, monkeypatch, module, name, argument):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=rf"asks for {module}\.{name}, which no parameter or buffer needs") as caught:
        read_tensor_file(archive(call(module, name, argument)))
    assert "changed.pt" in str(caught.value) and not (tmp_path / "was_run").exists()


def test_pickled_objects_are_refused(archive):
    class Evil:
        def __reduce__(self):
            return (exec, ("raise SystemExit('code was run')",))

    with pytest.raises(ValueError, match=r"__builtin__\.exec"):
        read_tensor_file(archive(pickle.dumps(Evil(), protocol=2)))
    with pytest.raises(ValueError, match=r"copyreg|collections.Counter"):
        read_tensor_file(archive(pickle.dumps(collections.Counter(), protocol=4)))


def test_a_pickle_changes_nothing_for_later_ones(archive, tmp_path):
    """BUILD with a pair sets attributes: it reaches only what this one reading was given."""
    attack = b"\x80\x02" + glob("__torch__", "M") + b"N}X\x05\x00\x00\x00stateK\x01s\x86b" + b")\x81."
    with pytest.raises(ValueError, match=r"changed\.pt is a damaged"):
        read_tensor_file(archive(attack))
    attack = b"\x80\x02" + glob("torch._utils", "_rebuild_tensor_v2") + b"}X\x01\x00\x00\x00xK\x01sb."
    with pytest.raises(ValueError, match=r"changed\.pt is a damaged"):
        read_tensor_file(archive(attack))
    equal_to_torch(tmp_path / "good.pt")


@pytest.mark.parametrize("content", [b"", b"\x80\x02.", b"\x80\x02K\x01.", b"\x80\x02}.", b"junk", b"\x80\x02)\x81."])
def test_a_pickle_of_nonsense_is_an_error(archive, content):
    with pytest.raises(ValueError, match=r"changed\.pt"):
        read_tensor_file(archive(content))


def tensor_pickle(key=b"0", numel=4, offset=0, size=(2, 2), stride=(2, 1), storage="FloatStorage"):
    """A module with one tensor, described as torch describes it."""

    def ints(values):
        return b"(" + b"".join(b"J" + struct.pack("<i", value) for value in values) + b"t"

    def text(value):
        return b"X" + struct.pack("<I", len(value)) + value

    pid = b"(" + text(b"storage") + glob("torch", storage) + text(key) + text(b"cpu") + b"J"
    pid += struct.pack("<i", numel) + b"tQ"
    recipe = glob("torch._utils", "_rebuild_tensor_v2") + b"(" + pid + b"J" + struct.pack("<i", offset)
    recipe += ints(size) + ints(stride) + b"\x89}tR"
    name = "__torch__.torch.nn.modules.linear"
    return b"\x80\x02" + glob(name, "Linear") + b")\x81}(" + text(b"weight") + recipe + b"ub."


def test_the_tensor_of_these_tests_is_read(archive):
    assert read_tensor_file(archive(tensor_pickle()))["weight"].shape == (2, 2)


@pytest.mark.parametrize(
    "wrong",
    [
        {"offset": 1},
        {"offset": -1},
        {"size": (3, 2)},
        {"size": (-2, 2)},
        {"stride": (4, 1)},
        {"stride": (-2, 1)},
        {"size": (2,)},
        {"numel": 5},
        {"numel": -4},
        {"numel": 2_000_000_000},
        {"key": b"99"},
        {"key": b"../data.pkl"},
        {"storage": "DoubleStorage"},
    ],
)
def test_a_tensor_that_reaches_beyond_its_storage_is_an_error(archive, wrong):
    with pytest.raises(ValueError, match="damaged TorchScript archive"):
        read_tensor_file(archive(tensor_pickle(**wrong)))


def test_an_unknown_storage_is_refused(archive):
    with pytest.raises(ValueError, match=r"torch\.QInt8Storage"):
        read_tensor_file(archive(tensor_pickle(storage="QInt8Storage")))


def test_a_truncated_archive_is_an_error(tmp_path):
    torch.jit.script(nn.Linear(100, 100)).save(tmp_path / "x.pt")
    content = (tmp_path / "x.pt").read_bytes()
    for length in (100, len(content) // 2, len(content) - 10):
        (tmp_path / "short.pt").write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"short\.pt is truncated or not a file of tensors"):
            read_tensor_file(tmp_path / "short.pt")


def test_flipped_bits_and_missing_parts_are_errors(tmp_path):
    torch.jit.script(nn.Linear(100, 100)).save(tmp_path / "x.pt")
    content = bytearray((tmp_path / "x.pt").read_bytes())
    with zipfile.ZipFile(tmp_path / "x.pt") as zipped:
        position = zipped.getinfo("x/data/0").header_offset + 1000
    content[position] ^= 1
    (tmp_path / "flipped.pt").write_bytes(content)
    with pytest.raises(ValueError, match=r"flipped\.pt is a damaged TorchScript archive.*CRC"):
        read_tensor_file(tmp_path / "flipped.pt")
    for part in ("data.pkl", "data/0"):
        repack(tmp_path / "x.pt", tmp_path / "part.pt", without=(part,))
        with pytest.raises(ValueError, match=r"part\.pt is a damaged TorchScript archive"):
            read_tensor_file(tmp_path / "part.pt")


def test_no_code_of_an_archive_is_compiled(tmp_path, monkeypatch):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(Network()).save(tmp_path / "x.pt")
    for module, name in ((torch.jit, "load"), (torch._C, "import_ir_module"), (torch, "load")):
        monkeypatch.setattr(module, name, lambda *_, **__: pytest.fail("the archive was given to torch"))
    assert read_tensor_file(tmp_path / "x.pt")["scalar"] == 1.5
